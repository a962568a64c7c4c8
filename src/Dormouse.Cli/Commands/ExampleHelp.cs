using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Invocation;

namespace Dormouse.Cli.Commands;

/// <summary>The library's help, then the command's examples.</summary>
internal sealed class ExampleHelp(HelpAction standard) : SynchronousCommandLineAction
{
    /// <summary>A command line with errors still gets help when it asks for it.</summary>
    public override bool ClearsParseErrors => true;

    public override int Invoke(ParseResult parseResult)
    {
        var code = standard.Invoke(parseResult);
        if (parseResult.CommandResult.Command is CliCommand { Examples: { Count: > 0 } examples })
        {
            Write(parseResult.InvocationConfiguration.Output, examples);
        }
        else if (parseResult.CommandResult.Command is RootCommand)
        {
            Write(parseResult.InvocationConfiguration.Output, CommandTree.RootExamples);
        }

        return code;
    }

    private static void Write(TextWriter output, IEnumerable<string> examples)
    {
        output.WriteLine("Examples:");
        foreach (var example in examples)
        {
            output.WriteLine("  " + example);
        }

        output.WriteLine();
    }
}
