using System.Collections.Immutable;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Queues;

namespace Dormouse.Core.Pipelines;

/// <summary>One attempt of one call of a run: an invocation of an endpoint.</summary>
/// <param name="Key">Of the call, with those of the pipelines around it.</param>
/// <param name="Attempt">From 1.</param>
/// <param name="Status">What was answered, or what stands for it; 0 = it was given up.</param>
/// <param name="Detail">Why it failed; null when it did not.</param>
public sealed record PipelinePart(string Key, string Endpoint, InvocationId Invocation, int Attempt, int Status, string? Detail);

/// <summary>A part with what its receipts say: those of all runs of it, should the server have been lost meanwhile.</summary>
public sealed record PricedPart(PipelinePart Part, long MeteredMicroseconds, long BilledMilliseconds, long PricePico);

/// <summary>One run of a pipeline, that nobody's step is.</summary>
/// <param name="Status">What its caller was answered; null = it is queued, and its queue item says how it stands.</param>
public sealed record PipelineRecord(InvocationId Run, TenantId Tenant, RevisionId Revision, DateTimeOffset StartedAt, long RunMicroseconds, int? Status);

/// <summary>What is stored of a queued run that has not ended.</summary>
/// <param name="Revisions">By prefix of their calls' keys: the revisions of the pipelines that have begun.</param>
/// <param name="Outcomes">Of the calls that have ended, by key.</param>
public sealed record PipelineMemory(ImmutableDictionary<string, int> Revisions, ImmutableDictionary<string, CallOutcome> Outcomes);

/// <summary>Runs of pipelines. Each method is one transaction.</summary>
public interface IPipelineStore
{
    /// <summary>Stores a run that its caller waited for, with its parts, when it has ended.</summary>
    Task AddAsync(PipelineRecord run, ImmutableArray<PipelinePart> parts, CancellationToken cancellationToken);

    /// <summary>A queued run begins or goes on: stores it unless it is there, and returns what is stored of it.</summary>
    Task<PipelineMemory> BeginAsync(PipelineRecord run, CancellationToken cancellationToken);

    /// <summary>A pipeline within a queued run begins with this revision. False when the lease is not the item's current one.</summary>
    Task<bool> PinAsync(QueueLease lease, string prefix, int revision, CancellationToken cancellationToken);

    /// <summary>A call of a queued run has ended: stores its parts, and its outcome unless that is to be found out anew. False, and nothing is stored but the parts, when the lease is not the item's current one.</summary>
    Task<bool> EndCallAsync(QueueLease lease, string key, CallOutcome? outcome, ImmutableArray<PipelinePart> parts, CancellationToken cancellationToken);

    /// <summary>Null when the tenant has no such run.</summary>
    Task<(PipelineRecord Run, ImmutableArray<PricedPart> Parts)?> FindAsync(TenantId tenant, InvocationId run, CancellationToken cancellationToken);
}
