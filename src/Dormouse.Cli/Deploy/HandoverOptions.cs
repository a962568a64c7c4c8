using System.CommandLine;
using System.Globalization;
using Dormouse.Cli.Terminal;
using Dormouse.Core.Rollouts;
using Dormouse.Protocol.Control;

namespace Dormouse.Cli.Deploy;

/// <summary>Options of <c>deploy</c> and <c>traffic</c> that let the traffic move only to warm instances.</summary>
internal sealed class HandoverOptions
{
    private readonly Option<string?> _warm = new("--warm")
    {
        HelpName = "instances",
        Arity = ArgumentArity.ZeroOrOne,
        Description = "Start this many instances of the new revision and move the traffic when they are ready, not before. Without a number: as many as serve now, at least 1.",
    };

    private readonly Option<string?> _keepOld = new("--keep-old") { HelpName = "time", Description = "Keep the old revision's instances for so long after the traffic moved: a rollback is warm. Default: 0s." };
    private readonly Option<string?> _for = new("--warm-for") { HelpName = "time", Description = "Leave the traffic where it is when they are not ready by then. Default: 10m." };

    public void AddTo(Command command)
    {
        command.Add(_warm);
        command.Add(_keepOld);
        command.Add(_for);
    }

    /// <summary>Null without <c>--warm</c>. What no server takes is refused here, before anything is sent.</summary>
    public HandoverSettings? Read(ParseResult parsed)
    {
        var (keepOld, limit) = (parsed.GetValue(_keepOld), parsed.GetValue(_for));
        if (parsed.GetResult(_warm) is null)
        {
            return keepOld is null && limit is null ? null : throw CommandException.Usage($"{(keepOld is null ? _for.Name : _keepOld.Name)} needs {_warm.Name}.");
        }

        int? warm = null;
        if (parsed.GetValue(_warm) is { } text)
        {
            warm = int.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var count)
                ? count
                : throw CommandException.Usage($"{_warm.Name} is followed by '{text}', which is no number of instances; write a number, or {_warm.Name} behind everything else.");
        }

        return HandoverRules.Apply(warm, keepOld, limit) is HandoverOutcome.Refused refused
            ? throw new CommandException(ExitCodes.Refused, "spec_invalid", string.Join(' ', refused.Errors.Select(e => e.Message)))
            : new HandoverSettings(warm, keepOld, limit);
    }
}
