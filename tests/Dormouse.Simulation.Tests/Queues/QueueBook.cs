using Dormouse.Core.Endpoints;
using Dormouse.Core.Queues;
using Dormouse.Simulation.Promises;
using Dormouse.Storage.Tests.Queues;

namespace Dormouse.Simulation.Tests.Queues;

/// <summary>Plain books of what callers were told and what servers did, compared with the store after every event. They share no code with it.</summary>
internal sealed class QueueBook(InMemoryQueue store, bool isCalm)
{
    private readonly Dictionary<string, InvocationId> _told = [];
    private readonly Dictionary<InvocationId, Entry> _entries = [];

    public int Told => _told.Count;

    /// <summary>Leases that were lost to another server or to a crash, and ends that came too late for that.</summary>
    public int LateEnds { get; private set; }

    /// <summary>What a caller asked for; before it is accepted.</summary>
    public void Sent(QueueItem item, string? group) => _entries[item.Id] = new Entry(item, group);

    /// <summary>The caller of the key was told that it is accepted as this.</summary>
    public void Acknowledged(string key, InvocationId id)
    {
        Check(!_told.TryGetValue(key, out var first) || first == id, $"message {key} was accepted twice, as {first} and as {id}");
        _told[key] = id;
    }

    public void Leased(QueueItem item, int server, DateTimeOffset now)
    {
        var entry = _entries[item.Id];
        Check(item.Fence > entry.Fence, $"{item.Id} was leased with fence {item.Fence} after {entry.Fence}");
        Check(item.NotBefore <= now, $"{item.Id} was leased before its time");
        Check(now < item.ExpiresAt, $"{item.Id} was leased after its time to live");
        Check(item.Attempts <= item.AttemptsMax, $"{item.Id} begins attempt {item.Attempts} of {item.AttemptsMax}");
        Check(entry.EndedBy is null, $"{item.Id} was leased and has ended");
        entry.Fence = item.Fence;
        if (entry.Group is null)
        {
            return;
        }

        foreach (var (other, _) in store.Everything)
        {
            if (other.Id == item.Id)
            {
                return;
            }

            var isBefore = other.Endpoint == item.Endpoint && _entries[other.Id].Group == entry.Group;
            Check(!isBefore || !other.State.IsLive(), $"{item.Id} of group {entry.Group} was leased by server {server} while {other.Id} before it is {other.State}");
        }
    }

    /// <summary>An instance has it.</summary>
    public void Began(QueueItem item, int server)
    {
        var entry = _entries[item.Id];
        Check(!isCalm || entry.RunningOn.Count == 0, $"{item.Id} (lease {item.Fence}, attempt {item.Attempts}) runs on server {server} and on {string.Join(", ", entry.RunningOn)}, and no clock or server was wrong");
        entry.RunningOn.Add(server);
        entry.Runs++;
    }

    public void Stopped(InvocationId id, int server) => _entries[id].RunningOn.Remove(server);

    /// <summary>A run under way goes on to its end; nothing is kept of it, and the item may be run anew meanwhile.</summary>
    public void Cancelled(InvocationId id) => _entries[id].RunningOn.Clear();

    /// <summary>A server stored what became of an attempt.</summary>
    public void Ended(QueueLease lease, QueueVerdict verdict, bool isTaken)
    {
        var entry = _entries[lease.Id];
        if (!isTaken)
        {
            LateEnds++;
            return;
        }

        Check(lease.Fence == entry.Fence, $"lease {lease.Fence} of {lease.Id} ended it, and {entry.Fence} is its last one");
        Check(entry.EndedBy is null, $"{lease.Id} was ended by lease {lease.Fence} and before by {entry.EndedBy}");
        if (verdict is QueueVerdict.Finished finished)
        {
            (entry.EndedBy, entry.Answer) = (lease.Fence, finished.Answer);
        }
    }

    public void Redriven(InvocationId id) => (_entries[id].EndedBy, _entries[id].Answer, _entries[id].Last) = (null, null, QueueState.Queued);

    /// <summary>What has ended stays as it is, and its answer is that of the attempt that ended it.</summary>
    public void Compare()
    {
        var count = 0;
        foreach (var (item, answer) in store.Everything)
        {
            count++;
            var entry = _entries[item.Id];
            Check(entry.Last.IsLive() || entry.Last == item.State, $"{item.Id} was {entry.Last} and is {item.State}");
            Check(entry.EndedBy is null || !item.State.IsLive(), $"{item.Id} was ended by lease {entry.EndedBy} and is {item.State}");
            Check(ReferenceEquals(answer, entry.Answer), $"{item.Id} is {item.State} with the answer {answer?.Status}; {entry.Answer?.Status} ended it");
            Check(item.State != QueueState.Succeeded || entry.Runs > 0, $"{item.Id} succeeded and never ran");
            entry.Last = item.State;
        }

        Check(count >= _told.Count, $"{_told.Count} were accepted and {count} are there");
    }

    /// <summary>Nobody who was told that it is accepted finds it gone or open for ever.</summary>
    public void CheckRest()
    {
        var all = store.Everything.ToDictionary(e => e.Item.Id, e => e.Item);
        foreach (var (key, id) in _told)
        {
            Check(all.TryGetValue(id, out var item), $"message {key} was accepted as {id}, which is gone");
            Check(!item!.State.IsLive(), $"message {key} was accepted as {id}, which is {item.State} for ever");
        }

        var keys = _entries.Values.Where(e => all.ContainsKey(e.Item.Id)).GroupBy(e => e.Item.Request.Target).FirstOrDefault(g => g.Count() > 1);
        Check(keys is null, $"message {keys?.Key} is in the queue {keys?.Count()} times");
    }

    private static void Check(bool isKept, string broken)
    {
        if (!isKept)
        {
            throw new BrokenPromiseException(broken);
        }
    }

    private sealed class Entry(QueueItem item, string? group)
    {
        public QueueItem Item => item;

        public string? Group => group;

        public long Fence { get; set; }

        public long? EndedBy { get; set; }

        public StoredAnswer? Answer { get; set; }

        public QueueState Last { get; set; }

        public List<int> RunningOn { get; } = [];

        public int Runs { get; set; }
    }
}
