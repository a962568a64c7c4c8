using System.Globalization;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Queues;
using Dormouse.Simulation.Promises;
using Dormouse.Storage.Tests.Queues;

namespace Dormouse.Simulation.Tests.Queues;

/// <summary>Plain books of what callers were told and what servers did, compared with the store after every event. They share no code with it.</summary>
internal sealed class QueueBook(InMemoryQueue store, bool isCalm)
{
    private const string EditHeader = "X-Edit";

    private readonly Dictionary<string, InvocationId> _told = [];
    private readonly Dictionary<InvocationId, Entry> _entries = [];

    /// <summary>When each server took items of an endpoint with a rate, since it began.</summary>
    private readonly Dictionary<(EndpointId Endpoint, int Server), List<TimeSpan>> _taken = [];

    public int Told => _told.Count;

    /// <summary>Leases that were lost to another server or to a crash, and ends that came too late for that.</summary>
    public int LateEnds { get; private set; }

    /// <summary>Requests that were changed.</summary>
    public int Edits { get; private set; }

    /// <summary>Items that were taken under a rate.</summary>
    public int RatedLeases { get; private set; }

    /// <summary>The change that makes a request its <paramref name="number"/>th.</summary>
    public static RequestEdit Edit(int number) => new() { SetHeaders = [KeyValuePair.Create(EditHeader, number.ToString(CultureInfo.InvariantCulture))] };

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
        Check(NumberOf(item.Request) == entry.Edits, $"{item.Id} was leased as edit {NumberOf(item.Request)} made it, and {entry.Edits} were made");
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

    /// <summary>Somebody wished to change the request of an item, which had been changed <paramref name="before"/> times.</summary>
    /// <param name="item">As it was before.</param>
    /// <param name="after">Changes that are kept.</param>
    /// <param name="first">The request as it was accepted, as the store says it now.</param>
    public void Edited(QueueItem item, int before, int after, bool isDone, QueuedRequest first)
    {
        var entry = _entries[item.Id];
        var isAllowed = item.State is QueueState.Failed or QueueState.Dead or QueueState.Cancelled or QueueState.Expired && before < QueueLimits.EditsMax;
        Check(isDone == isAllowed, $"{item.Id}, which is {item.State}, was {(isDone ? "" : "not ")}changed after {before} changes");
        Check(after == before + (isDone ? 1 : 0), $"{item.Id} has {after} changes after {before}");
        Check(NumberOf(first) == 0 && first.Target == entry.Item.Request.Target, $"what {item.Id} was accepted with is not kept");
        if (isDone)
        {
            (entry.Edits, Edits) = (entry.Edits + 1, Edits + 1);
        }
    }

    /// <summary>What it has taken counts no more.</summary>
    public void Restarted(int server)
    {
        foreach (var (_, times) in _taken.Where(t => t.Key.Server == server))
        {
            times.Clear();
        }
    }

    /// <summary>A server took an item of an endpoint with a rate: in no stretch of time more than the rate allows, and a tenth of a second's worth, at least one.</summary>
    public void Rated(EndpointId endpoint, int server, double rate, TimeSpan now)
    {
        RatedLeases++;
        if (!_taken.TryGetValue((endpoint, server), out var times))
        {
            _taken[(endpoint, server)] = times = [];
        }

        times.Add(now);
        for (var i = 0; i < times.Count; i++)
        {
            var allowed = Math.Max(1, rate / 10) + (rate * (now - times[i]).TotalSeconds);
            Check(times.Count - i <= allowed + 1e-6, $"server {server} took {times.Count - i} of {endpoint} within {now - times[i]}, more than its rate of {rate}/s");
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
            Check(NumberOf(item.Request) == entry.Edits, $"{item.Id}, which is {item.State}, is as edit {NumberOf(item.Request)} made it, and {entry.Edits} were made");
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

    private static int NumberOf(QueuedRequest request) =>
        request.Headers.Where(h => h.Key == EditHeader).Select(h => int.Parse(h.Value, CultureInfo.InvariantCulture)).SingleOrDefault();

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

        /// <summary>How often its request was changed.</summary>
        public int Edits { get; set; }
    }
}
