using Dormouse.Core.Dispatch;
using Dormouse.Core.Usage;
using Dormouse.Protocol.Problems;
using Dormouse.Server.Rollouts;
using Dormouse.Server.Telemetry;

namespace Dormouse.Server.Gateway;

/// <summary>Everything that counts invocations: the protocol's statistics, the canaries and the metrics.</summary>
internal sealed class InvocationCounts(RevisionStatistics statistics, CanaryWatches canaries, InvocationMetrics invocations, BillingMetrics billing)
{
    public void Granted(Invocation invocation, in SlotGrant grant) =>
        invocations.Granted(invocation.Endpoint.Name, grant.Kind, grant.Queue + grant.Start + grant.Load);

    public void Refused(Invocation invocation, Problem problem)
    {
        if (!invocation.IsMirror && (problem.Code == ProblemCode.StartFailed || problem.Code == ProblemCode.ColdStartTimeout))
        {
            canaries.StartFailed(invocation.Revision.Id);
        }

        invocations.Refused(invocation.Endpoint.Name, problem.Code);
    }

    public void Retried(Invocation invocation) => invocations.Retried(invocation.Endpoint.Name);

    /// <summary>A receipt was written, <paramref name="duration"/> after the request had come.</summary>
    public void Closed(Invocation invocation, Receipt receipt, TimeSpan duration)
    {
        statistics.Count(receipt, invocation.Batch);
        if (invocation.Batch is { IsFirst: true } batch)
        {
            invocations.BatchRan(invocation.Endpoint.Name, batch.Rows);
        }

        canaries.Closed(receipt);
        invocations.Ended(invocation.Endpoint.Name, receipt.Revision.Number, receipt.Outcome, duration);
        billing.Metered(invocation.Endpoint.Name, receipt.MemoryMib, receipt.MeteredMicroseconds);
    }
}
