using System.Collections.Immutable;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Pipelines;
using Dormouse.Core.Queues;

namespace Dormouse.Storage.Tests.Pipelines;

/// <summary>Runs of pipelines in memory, without receipts. Every lease counts as held, unless the test says otherwise.</summary>
public sealed class InMemoryPipelines : IPipelineStore
{
    private readonly Lock _lock = new();
    private readonly Dictionary<InvocationId, PipelineRecord> _runs = [];
    private readonly Dictionary<InvocationId, List<PipelinePart>> _parts = [];
    private readonly Dictionary<(InvocationId, string), CallOutcome> _outcomes = [];
    private readonly Dictionary<(InvocationId, string), int> _revisions = [];

    public Func<QueueLease, bool> IsHeld { get; set; } = _ => true;

    public Task AddAsync(PipelineRecord run, ImmutableArray<PipelinePart> parts, CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            _runs.TryAdd(run.Run, run);
            PutLocked(run.Run, parts);
            return Task.CompletedTask;
        }
    }

    public Task<PipelineMemory> BeginAsync(PipelineRecord run, CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            _runs.TryAdd(run.Run, run);
            _revisions.TryAdd((run.Run, ""), run.Revision.Number);
            return Task.FromResult(new PipelineMemory(
                _revisions.Where(r => r.Key.Item1 == run.Run).ToImmutableDictionary(r => r.Key.Item2, r => r.Value),
                _outcomes.Where(o => o.Key.Item1 == run.Run).ToImmutableDictionary(o => o.Key.Item2, o => o.Value)));
        }
    }

    public Task<bool> PinAsync(QueueLease lease, string prefix, int revision, CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            return Task.FromResult(IsHeld(lease) && (_revisions.TryAdd((lease.Id, prefix), revision) || true));
        }
    }

    public Task<bool> EndCallAsync(QueueLease lease, string key, CallOutcome? outcome, ImmutableArray<PipelinePart> parts, CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            PutLocked(lease.Id, parts);
            if (!IsHeld(lease))
            {
                return Task.FromResult(false);
            }

            if (outcome is not null)
            {
                _outcomes.TryAdd((lease.Id, key), outcome);
            }

            return Task.FromResult(true);
        }
    }

    public Task<(PipelineRecord Run, ImmutableArray<PricedPart> Parts)?> FindAsync(TenantId tenant, InvocationId run, CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            return Task.FromResult<(PipelineRecord, ImmutableArray<PricedPart>)?>(
                _runs.TryGetValue(run, out var found) && found.Tenant == tenant ? (found, [.. _parts.GetValueOrDefault(run, []).Select(p => new PricedPart(p, 0, 0, 0))]) : null);
        }
    }

    /// <summary>Its item has succeeded.</summary>
    public void Forget(InvocationId run)
    {
        lock (_lock)
        {
            foreach (var key in _outcomes.Keys.Where(k => k.Item1 == run).ToList())
            {
                _outcomes.Remove(key);
            }

            foreach (var key in _revisions.Keys.Where(k => k.Item1 == run).ToList())
            {
                _revisions.Remove(key);
            }
        }
    }

    private void PutLocked(InvocationId run, ImmutableArray<PipelinePart> parts)
    {
        if (!_parts.TryGetValue(run, out var known))
        {
            _parts[run] = known = [];
        }

        foreach (var part in parts)
        {
            known.RemoveAll(k => k.Key == part.Key && k.Attempt == part.Attempt);
            known.Add(part);
        }
    }
}
