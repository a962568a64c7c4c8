using System.CommandLine;
using Dormouse.Cli.Terminal;
using Dormouse.Core.Rollouts;
using Dormouse.Protocol.Control;

namespace Dormouse.Cli.Deploy;

/// <summary>Options of <c>deploy</c> that make the new revision a canary.</summary>
internal sealed class CanaryOptions
{
    private readonly Option<int?> _percent = new("--canary")
    {
        HelpName = "percent",
        Description = "Give the new revision this share (1 to 99) of the calls, watch it against the old, and promote it or roll it back.",
    };

    private readonly Option<int?> _min = new("--canary-min") { HelpName = "number", Description = "Calls of each side before it may be promoted, 20 or more. Default: 100." };
    private readonly Option<string?> _for = new("--canary-for") { HelpName = "time", Description = "Roll it back when there were too few calls by then. Default: 30m." };

    public void AddTo(Command command)
    {
        command.Add(_percent);
        command.Add(_min);
        command.Add(_for);
    }

    /// <summary>Null without <c>--canary</c>. What no server takes is refused here, before anything is sent.</summary>
    public CanarySettings? Read(ParseResult parsed)
    {
        var (min, limit) = (parsed.GetValue(_min), parsed.GetValue(_for));
        if (parsed.GetValue(_percent) is not { } percent)
        {
            return min is null && limit is null ? null : throw CommandException.Usage($"{(min is null ? _for.Name : _min.Name)} needs {_percent.Name} PERCENT.");
        }

        return CanaryRules.Apply(percent, min, limit) is CanaryOutcome.Refused refused
            ? throw new CommandException(ExitCodes.Refused, "spec_invalid", string.Join(' ', refused.Errors.Select(e => e.Message)))
            : new CanarySettings(percent, min, limit);
    }
}
