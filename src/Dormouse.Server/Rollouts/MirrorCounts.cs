using Dormouse.Core.Rollouts;
using Dormouse.Protocol.Control;
using Dormouse.Server.Control;

namespace Dormouse.Server.Rollouts;

/// <summary>What became of one invocation that was chosen for mirroring.</summary>
internal enum MirrorResult
{
    Same,
    DifferentStatus,
    DifferentBody,

    /// <summary>Same status, but an answer too long to be compared.</summary>
    Unread,

    /// <summary>The copy got no answer.</summary>
    Unanswered,

    /// <summary>The copy was not run: there was no room for it.</summary>
    Dropped,

    /// <summary>Its body is too long to be kept for a copy, could not be kept, or was not read to its end.</summary>
    NotMirrored,
}

/// <summary>What was seen of one mirror since it began. In memory only.</summary>
internal sealed class MirrorCounts(Mirror mirror)
{
    private readonly Lock _counts = new();
    private readonly long[] _results = new long[Enum.GetValues<MirrorResult>().Length];
    private readonly RunTimes _originals = new();
    private readonly RunTimes _copies = new();
    private string? _lastDifference;

    public Mirror Mirror => mirror;

    public void Count(MirrorResult result)
    {
        lock (_counts)
        {
            _results[(int)result]++;
        }
    }

    /// <summary>Both were answered.</summary>
    /// <param name="difference">Where; null when they are the same or were not read.</param>
    public void Compared(MirrorResult result, long originalMicroseconds, long copyMicroseconds, string? difference)
    {
        lock (_counts)
        {
            _results[(int)result]++;
            _originals.Record(originalMicroseconds);
            _copies.Record(copyMicroseconds);
            _lastDifference = difference ?? _lastDifference;
        }
    }

    public MirrorInfo Info()
    {
        lock (_counts)
        {
            long Of(MirrorResult result) => _results[(int)result];
            static double Milliseconds(RunTimes times, double share) => times.Percentile(share).TotalMilliseconds;
            return new MirrorInfo(
                RevisionViews.Name(mirror.Revision), mirror.Percent, mirror.Tolerance,
                Of(MirrorResult.Same) + Of(MirrorResult.DifferentStatus) + Of(MirrorResult.DifferentBody) + Of(MirrorResult.Unread),
                Of(MirrorResult.Same), Of(MirrorResult.DifferentStatus), Of(MirrorResult.DifferentBody), Of(MirrorResult.Unread),
                Of(MirrorResult.Unanswered), Of(MirrorResult.Dropped), Of(MirrorResult.NotMirrored),
                Milliseconds(_originals, 0.5), Milliseconds(_originals, 0.95), Milliseconds(_copies, 0.5), Milliseconds(_copies, 0.95), _lastDifference);
        }
    }
}
