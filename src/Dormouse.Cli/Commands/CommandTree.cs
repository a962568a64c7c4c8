using System.CommandLine;
using System.CommandLine.Help;
using Dormouse.Cli.Apply;
using Dormouse.Cli.Batches;
using Dormouse.Cli.Completion;
using Dormouse.Cli.Deploy;
using Dormouse.Cli.Destinations;
using Dormouse.Cli.Drill;
using Dormouse.Cli.Endpoints;
using Dormouse.Cli.Environments;
using Dormouse.Cli.Hosting;
using Dormouse.Cli.Invoke;
using Dormouse.Cli.Keys;
using Dormouse.Cli.Python;
using Dormouse.Cli.Queues;
using Dormouse.Cli.Secrets;
using Dormouse.Cli.Simulation;
using Dormouse.Cli.Triggers;
using Dormouse.Cli.Usage;

namespace Dormouse.Cli.Commands;

/// <summary>Every command, in the order of the help.</summary>
internal static class CommandTree
{
    public const string Name = "dormouse";

    public static readonly string[] RootExamples =
    [
        "dormouse quickstart",
        "dormouse serve",
        "dormouse deploy digits.onnx --name digits",
        "dormouse invoke digits --file seven.png",
        "dormouse usage",
    ];

    public static RootCommand Create(GlobalOptions globals)
    {
        var root = new RootCommand("Serverless inference on machines you own: deploy a model, call it from zero, see what each call cost.") { HelpName = Name };
        root.Add(globals.Server);
        root.Add(globals.Key);
        root.Add(globals.Output);
        foreach (var command in new[]
        {
            ServeCommand.Create(globals),
            QuickstartCommand.Create(globals),
            DeployCommand.Create(globals),
            ApplyCommand.Create(globals),
            ApplyCommand.CreateDiff(globals),
            DevCommand.Create(globals),
            RunCommand.Create(globals),
            ShellCommand.Create(globals),
            InvokeCommand.Create(globals),
            InvocationCommand.Create(globals),
            BatchCommand.Create(globals),
            QueueCommand.Create(globals),
            SecretCommand.Create(globals),
            DestinationCommand.Create(globals),
            DeliveryCommand.Create(globals),
            TriggerCommand.Create(globals),
            ListCommand.Create(globals),
            DescribeCommand.Create(globals),
            LogsCommand.Create(globals),
            RevisionsCommand.Create(globals),
            TrafficCommand.Create(globals),
            TrafficCommand.CreateRollback(globals),
            TagCommand.Create(globals),
            MirrorCommand.Create(globals),
            StopCommand.Create(globals),
            StopCommand.CreateLoad(globals),
            StopCommand.CreateDelete(globals),
            EnvironmentCommand.Create(globals),
            KeyCommand.Create(globals),
            UsageCommand.Create(globals),
            RecordCommand.Create(globals),
            SimulateCommand.Create(globals),
            DrillCommand.Create(globals),
            DoctorCommand.Create(globals),
            StorageCommand.Create(globals),
            VersionCommand.Create(globals),
            CompletionCommand.Create(globals),
        })
        {
            root.Add(command);
        }

        Arguments.RefuseEmpty(root, ["--path", "--json"]);
        foreach (var option in root.Options.OfType<HelpOption>())
        {
            // The library's other spellings (-?, /h, /?) would be offered by completion.
            option.Aliases.Clear();
            option.Aliases.Add("-h");
            option.Action = new ExampleHelp((HelpAction)option.Action!);
        }

        return root;
    }
}
