using Dormouse.Core.Endpoints;
using Dormouse.Core.Rollouts;
using Dormouse.Core.Usage;

namespace Dormouse.Server.Rollouts;

/// <summary>One canary that runs, and what was counted of its two sides since it, or the server, started.</summary>
internal sealed class CanaryWatch(Endpoint endpoint, Canary canary)
{
    private readonly Lock _counts = new();
    private readonly RevisionCounts _newer = new();
    private readonly RevisionCounts _older = new();
    private int _looksTaken = canary.LooksTaken;

    public RevisionId Revision => new(endpoint.Id, canary.Revision);

    public Endpoint Endpoint => endpoint;

    public CanaryPolicy Policy => canary.Policy;

    public DateTimeOffset StartedAt { get; } = canary.StartedAt ?? throw new InvalidOperationException("A canary runs that has no start.");

    /// <summary>True when the next look can be taken.</summary>
    public bool Count(Receipt receipt) => Count(receipt.Revision, counts => counts.Count(receipt));

    /// <summary>True when the next look can be taken.</summary>
    public bool CountFailedStart(RevisionId revision) => Count(revision, static counts => counts.CountFailedStart());

    public CanaryDecision Decide(DateTimeOffset now)
    {
        var (newer, older) = Read();
        return CanaryRule.Decide(Policy, newer, older, Volatile.Read(ref _looksTaken), now - StartedAt);
    }

    /// <summary>These looks are stored.</summary>
    public void LooksTaken(int looks) => Volatile.Write(ref _looksTaken, looks);

    public int Looks => Volatile.Read(ref _looksTaken);

    public (RevisionCounts Newer, RevisionCounts Older) Read()
    {
        lock (_counts)
        {
            return (_newer.Copy(), _older.Copy());
        }
    }

    private bool Count(RevisionId revision, Action<RevisionCounts> count)
    {
        lock (_counts)
        {
            count(revision.Number == canary.Revision ? _newer : _older);
            return CanaryRule.IsDue(Policy, _newer, _older, Volatile.Read(ref _looksTaken));
        }
    }
}
