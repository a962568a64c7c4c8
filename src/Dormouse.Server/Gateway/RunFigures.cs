using System.Globalization;
using Dormouse.Protocol;

namespace Dormouse.Server.Gateway;

/// <summary>What an instance says of a run in the headers of its answer.</summary>
/// <param name="RunMicroseconds">Time in the engine, of the whole run also where others shared it, with the reading of a picture.</param>
/// <param name="CpuMicroseconds">CPU time; of a shared run this invocation's part.</param>
/// <param name="Batch">Null where invocations do not share runs.</param>
internal sealed record RunFigures(long RunMicroseconds, long CpuMicroseconds, BatchFigures? Batch)
{
    private const int BatchParts = 3;

    /// <summary>Null when the answer does not say that its run has ended.</summary>
    public static RunFigures? Of(HttpResponseMessage response) =>
        InstanceHeaders.Microseconds(response, DormouseHeaders.RunMicroseconds) is { } run
            ? new RunFigures(run, InstanceHeaders.Microseconds(response, DormouseHeaders.CpuMicroseconds) ?? 0, BatchOf(response))
            : null;

    private static BatchFigures? BatchOf(HttpResponseMessage response)
    {
        if (!response.Headers.NonValidated.TryGetValues(DormouseHeaders.Batch, out var values))
        {
            return null;
        }

        var text = values.ToString().AsSpan();
        Span<Range> parts = stackalloc Range[BatchParts + 1];
        return text.Split(parts, ';') == BatchParts
            && long.TryParse(text[parts[0]], NumberStyles.None, CultureInfo.InvariantCulture, out var rows)
            && long.TryParse(text[parts[1]], NumberStyles.None, CultureInfo.InvariantCulture, out var wait)
                ? new BatchFigures(rows, wait, text[parts[2]] is "1")
                : null;
    }
}

/// <summary>An invocation's part in a run that others could share.</summary>
/// <param name="Rows">Rows of the whole run.</param>
/// <param name="WaitMicroseconds">How long it waited in the instance for the run to begin.</param>
/// <param name="IsFirst">One invocation of each run is: it counts the run.</param>
internal sealed record BatchFigures(long Rows, long WaitMicroseconds, bool IsFirst);
