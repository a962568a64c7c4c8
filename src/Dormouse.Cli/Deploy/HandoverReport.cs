using System.Collections.Immutable;
using Dormouse.Cli.Connection;
using Dormouse.Cli.Terminal;
using Dormouse.Protocol.Control;

namespace Dormouse.Cli.Deploy;

/// <summary>How a handover stands, in words, and waiting for its end.</summary>
internal static class HandoverReport
{
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(200);

    /// <summary>Ends when the traffic has moved, or will not.</summary>
    /// <exception cref="CommandException">It will not (<c>handover_failed</c>).</exception>
    public static async Task<EndpointInfo> WaitAsync(Session session, string endpoint, CancellationToken cancellationToken)
    {
        var info = await session.Activity.RunAsync($"warming {endpoint}", async () =>
        {
            var seen = await session.Client.Endpoints.GetAsync(endpoint, cancellationToken);
            while (seen.Handover is { State: "waiting" or "warming" })
            {
                await Task.Delay(Interval, session.Surroundings.Time, cancellationToken);
                seen = await session.Client.Endpoints.GetAsync(endpoint, cancellationToken);
            }

            return seen;
        });
        return info.Handover is { State: "failed" or "ended" } handover
            ? throw CommandException.Failed("handover_failed", $"The traffic of {endpoint} stays {Traffic(info.Traffic)}: {handover.Reason}")
            : info;
    }

    public static string Sentence(HandoverInfo handover, TimeProvider time) => handover.State switch
    {
        "waiting" => $"the traffic becomes {Traffic(handover.Traffic)} when the new revision is verified and warm",
        "warming" => $"the traffic becomes {Traffic(handover.Traffic)} when {Warm(handover)} ready, within {handover.Settings.For}",
        "keeping" => $"the traffic is {Traffic(handover.Traffic)}: {handover.Reason}; {Kept(handover)} until {Units.Time(handover.KeptUntil ?? default, time)}",
        "done" => $"the traffic is {Traffic(handover.Traffic)}: {handover.Reason}",
        "failed" => $"the traffic did not become {Traffic(handover.Traffic)}: {handover.Reason}",
        _ => $"ended: {handover.Reason}",
    };

    private static string Warm(HandoverInfo handover) => handover.Standby is { } standby
        ? string.Join(", ", standby.Select(s => $"{Instances(s.Value)} of {s.Key} ({handover.Ready?.GetValueOrDefault(s.Key) ?? 0} now)")) + (standby.Values.Sum() == 1 ? " is" : " are")
        : "its instances are";

    private static string Kept(HandoverInfo handover) =>
        string.Join(", ", (handover.Standby ?? ImmutableSortedDictionary<string, int>.Empty).Select(s => $"{Instances(s.Value)} of {s.Key}")) + " kept for a way back";

    private static string Instances(int count) => count == 1 ? "1 instance" : $"{count} instances";

    private static string Traffic(ImmutableSortedDictionary<string, int> traffic) => traffic.Count == 0 ? "none" : string.Join(' ', traffic.Select(t => $"{t.Key}={t.Value}"));
}
