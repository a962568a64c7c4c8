using System.Globalization;
using Dormouse.Core.Dispatch;
using Dormouse.Core.Instances;

namespace Dormouse.Server.Gateway;

/// <summary>The texts of <c>Dormouse-Start</c> and <c>Server-Timing</c>.</summary>
internal static class StartText
{
    private static readonly string[,,] Cold = BuildCold();

    /// <summary><c>warm</c>, <c>queued</c>, or <c>cold; cause=…; rung=…</c>, with <c>; why=…</c> when no better rung could be taken.</summary>
    public static string Of(in SlotGrant grant) => grant.Kind switch
    {
        StartKind.Cold => Cold[(int)(grant.Cause ?? StartCause.First), (int)grant.Rung, grant.RungReason is { } reason ? (int)reason + 1 : 0],
        _ => Words.Of(grant.Kind),
    };

    /// <summary><c>queue;dur=…, start;dur=…, load;dur=…, run;dur=…</c> in milliseconds; without run while nobody knows it.</summary>
    public static string Timing(TimeSpan queue, TimeSpan start, TimeSpan load, TimeSpan? run)
    {
        if (queue == TimeSpan.Zero && start == TimeSpan.Zero && load == TimeSpan.Zero && run is { } warm)
        {
            return string.Create(CultureInfo.InvariantCulture, $"queue;dur=0, start;dur=0, load;dur=0, run;dur={warm.TotalMilliseconds:0.###}");
        }

        var waited = string.Create(
            CultureInfo.InvariantCulture,
            $"queue;dur={queue.TotalMilliseconds:0.###}, start;dur={start.TotalMilliseconds:0.###}, load;dur={load.TotalMilliseconds:0.###}");
        return run is { } known ? string.Create(CultureInfo.InvariantCulture, $"{waited}, run;dur={known.TotalMilliseconds:0.###}") : waited;
    }

    private static string[,,] BuildCold()
    {
        var causes = Enum.GetValues<StartCause>();
        var rungs = Enum.GetValues<Rung>();
        var reasons = Enum.GetValues<RungReason>();
        var texts = new string[causes.Length, rungs.Length, reasons.Length + 1];
        foreach (var cause in causes)
        {
            foreach (var rung in rungs)
            {
                var text = $"{Words.Of(StartKind.Cold)}; cause={Words.Of(cause)}; rung={Words.Of(rung)}";
                texts[(int)cause, (int)rung, 0] = text;
                foreach (var reason in reasons)
                {
                    texts[(int)cause, (int)rung, (int)reason + 1] = $"{text}; why={Words.Of(reason)}";
                }
            }
        }

        return texts;
    }
}
