using System.Collections.Immutable;
using Dormouse.Core.Pipelines;
using Dormouse.Core.Queues;

namespace Dormouse.Server.Pipelines;

/// <summary>What of a run is kept: in memory while its caller waits, and of a queued one in the store before the next step begins.</summary>
/// <param name="lease">Of the queue item; null = a caller waits.</param>
/// <param name="ending">Is cancelled when the run cannot go on here: its lease is lost, or the server stops.</param>
/// <param name="isStopping">Does the server stop?</param>
internal sealed class StepLog(IPipelineStore store, QueueLease? lease, CancellationTokenSource ending, Func<bool> isStopping, TimeProvider time)
{
    private static readonly TimeSpan StoreAgainAfter = TimeSpan.FromSeconds(1);

    private readonly Lock _lock = new();
    private readonly List<PipelinePart> _parts = [];
    private ImmutableDictionary<string, CallOutcome> _outcomes = ImmutableDictionary<string, CallOutcome>.Empty;
    private ImmutableDictionary<string, int> _revisions = ImmutableDictionary<string, int>.Empty;

    /// <summary>The server's stopping ended it: what failed then did not fail.</summary>
    public bool HasServerStopped { get; private set; }

    /// <summary>Of a run whose caller waits.</summary>
    public ImmutableArray<PipelinePart> Parts
    {
        get
        {
            lock (_lock)
            {
                return [.. _parts];
            }
        }
    }

    /// <summary>A call failed: if that is because the server stops, the run ends here, and goes on elsewhere when it was queued.</summary>
    public async Task EndIfStoppingAsync()
    {
        if (isStopping())
        {
            HasServerStopped = true;
            await ending.CancelAsync();
        }
    }

    /// <summary>A queued run begins, or goes on after its server was lost.</summary>
    public async Task BeginAsync(PipelineRecord run)
    {
        var memory = await store.BeginAsync(run, CancellationToken.None);
        lock (_lock)
        {
            (_outcomes, _revisions) = (memory.Outcomes, memory.Revisions);
        }
    }

    /// <summary>Outcomes of the calls of the pipeline with this prefix, by their keys within it.</summary>
    public IReadOnlyDictionary<string, CallOutcome> Outcomes(string prefix)
    {
        lock (_lock)
        {
            return _outcomes.Where(o => o.Key.StartsWith(prefix, StringComparison.Ordinal) && !o.Key.AsSpan(prefix.Length).Contains('/'))
                .ToDictionary(o => o.Key[prefix.Length..], o => o.Value, StringComparer.Ordinal);
        }
    }

    /// <summary>The revision with which the pipeline of this prefix began: this one, when it begins now.</summary>
    public async Task<int> PinAsync(string prefix, int revision)
    {
        lock (_lock)
        {
            if (_revisions.TryGetValue(prefix, out var first))
            {
                return first;
            }

            _revisions = _revisions.Add(prefix, revision);
        }

        if (lease is { } held)
        {
            await StoreAsync(() => store.PinAsync(held, prefix, revision, CancellationToken.None));
        }

        return revision;
    }

    /// <param name="outcome">Null = it is to be found out anew.</param>
    public async Task EndCallAsync(string key, CallOutcome? outcome, ImmutableArray<PipelinePart> parts)
    {
        lock (_lock)
        {
            _parts.RemoveAll(p => parts.Any(n => n.Invocation == p.Invocation));
            _parts.AddRange(parts);
            _outcomes = outcome is null ? _outcomes : _outcomes.SetItem(key, outcome);
        }

        if (lease is { } held && (outcome is not null || !parts.IsEmpty))
        {
            await StoreAsync(() => store.EndCallAsync(held, key, outcome, parts, CancellationToken.None));
        }
    }

    /// <summary>Until it is stored, or the lease is lost: the queue holds it meanwhile.</summary>
    private async Task StoreAsync(Func<Task<bool>> write)
    {
        while (!ending.IsCancellationRequested)
        {
            try
            {
                if (!await write())
                {
                    await ending.CancelAsync();
                }

                return;
            }
            catch (IOException)
            {
                await EndIfStoppingAsync();
                await Task.Delay(StoreAgainAfter, time, CancellationToken.None);
            }
        }
    }
}
