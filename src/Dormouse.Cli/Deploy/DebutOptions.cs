using System.CommandLine;
using Dormouse.Cli.Terminal;
using Dormouse.Core.Rollouts;
using Dormouse.Protocol.Control;

namespace Dormouse.Cli.Deploy;

/// <summary>How a new revision begins.</summary>
/// <param name="Tag">It takes this tag; null = none.</param>
/// <param name="Traffic">False = it gets no traffic.</param>
internal sealed record DebutSettings(CanarySettings? Canary, string? Tag, bool Traffic)
{
    /// <summary>It takes the traffic when it is warm; null = at once.</summary>
    public HandoverSettings? Handover { get; init; }

    /// <summary>With all traffic and no tag.</summary>
    public static readonly DebutSettings Usual = new(null, null, Traffic: true);
}

/// <summary>Options of <c>deploy</c> that say how the new revision is reached at first.</summary>
internal sealed class DebutOptions
{
    private readonly Option<string?> _tag = new("--tag") { HelpName = "name", Description = "Let this tag address the new revision once it is ready, whatever the traffic says." };
    private readonly Option<bool> _noTraffic = new("--no-traffic") { Description = "Give the new revision no traffic: its number and its tags reach it." };

    public void AddTo(Command command)
    {
        command.Add(_tag);
        command.Add(_noTraffic);
    }

    /// <summary>What no server takes is refused here, before anything is sent.</summary>
    public DebutSettings Read(ParseResult parsed, CanarySettings? canary, HandoverSettings? handover)
    {
        if (handover is not null && (canary is not null || parsed.GetValue(_noTraffic)))
        {
            throw CommandException.Usage($"--warm and {(canary is null ? _noTraffic.Name : "--canary")} cannot be used together: with --warm the new revision gets all traffic once it is warm.");
        }

        var tag = parsed.GetValue(_tag);
        if (tag is not null && TagRules.Refusal(tag) is { } refusal)
        {
            throw new CommandException(ExitCodes.Refused, "name_invalid", refusal);
        }

        return canary is not null && parsed.GetValue(_noTraffic)
            ? throw CommandException.Usage($"--canary and {_noTraffic.Name} cannot be used together: a canary is judged by the traffic that it gets.")
            : new DebutSettings(canary, tag, !parsed.GetValue(_noTraffic)) { Handover = handover };
    }
}
