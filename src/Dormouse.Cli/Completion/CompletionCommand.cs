using System.CommandLine;
using Dormouse.Cli.Commands;

namespace Dormouse.Cli.Completion;

/// <summary><c>dormouse completion bash|zsh|fish</c>: a script that asks the program itself (its <c>[suggest]</c> directive), so it never goes stale.</summary>
internal static class CompletionCommand
{
    public static Command Create(GlobalOptions globals)
    {
        var shell = new Argument<string>("shell") { HelpName = "bash|zsh|fish", Description = "Which shell." };
        shell.AcceptOnlyFromAmong("bash", "zsh", "fish");
        var command = new CliCommand(
            "completion",
            "Print a shell's completion script.",
            "source <(dormouse completion bash)",
            "dormouse completion zsh > ~/.zfunc/_dormouse",
            "dormouse completion fish > ~/.config/fish/completions/dormouse.fish") { shell };
        return command.Runs(globals, (session, parsed, _) =>
        {
            var name = parsed.GetRequiredValue(shell);
            var script = name switch
            {
                "bash" => Bash,
                "zsh" => Zsh,
                _ => Fish,
            };
            if (session.Screen.IsJson)
            {
                session.Screen.Json(new CompletionDocument(name, script), CliJson.Default.CompletionDocument);
            }
            else
            {
                session.Surroundings.Out.Write(script);
            }

            return Task.CompletedTask;
        });
    }

    // In each: the program gets the line without its own first word (it may be a path or an alias) and the cursor's place in it.
    // With no suggestion the shell completes file names.
    private const string Bash =
        """
        # bash completion of dormouse. Load it with: source <(dormouse completion bash)
        _dormouse_complete() {
          local line=${COMP_LINE:0:COMP_POINT} word=${COMP_WORDS[COMP_CWORD]}
          local rest=${line#*[[:space:]]}
          local IFS=$'\n'
          COMPREPLY=($(compgen -W "$("${COMP_WORDS[0]}" "[suggest:${#rest}]" "$rest" 2>/dev/null)" -- "$word"))
        }
        complete -o default -F _dormouse_complete dormouse ./dormouse

        """;

    private const string Zsh =
        """
        #compdef dormouse
        # zsh completion of dormouse. Load it with: source <(dormouse completion zsh), or save it as _dormouse in a folder of $fpath.
        _dormouse() {
          local rest="${(j: :)${(@)words[2,CURRENT]}}"
          local -a found
          found=("${(@f)$("${words[1]}" "[suggest:${#rest}]" "$rest" 2>/dev/null)}")
          if [[ -n "${found[1]}" ]]; then
            compadd -a found
          else
            _files
          fi
        }
        if [[ "${funcstack[1]}" = "_dormouse" ]]; then
          _dormouse "$@"
        else
          compdef _dormouse dormouse
        fi

        """;

    private const string Fish =
        """
        # fish completion of dormouse. Load it with: dormouse completion fish | source
        function __dormouse_complete
          set -l tokens (commandline -opc)
          set -l rest (string join ' ' -- $tokens[2..-1] (commandline -ct))
          $tokens[1] "[suggest:"(string length -- "$rest")"]" "$rest" 2>/dev/null
        end
        complete -c dormouse -a '(__dormouse_complete)'

        """;
}
