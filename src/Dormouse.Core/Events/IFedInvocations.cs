using Dormouse.Core.Endpoints;

namespace Dormouse.Core.Events;

/// <summary>How an invocation that a trigger queued ended.</summary>
public abstract record FedEnd
{
    private FedEnd()
    {
    }

    /// <summary>It waits, runs, or will be tried again.</summary>
    public sealed record Live : FedEnd;

    /// <param name="Answer">What the endpoint answered; empty = nothing.</param>
    public sealed record Succeeded(ReadOnlyMemory<byte> Answer) : FedEnd;

    /// <summary>It failed, is a dead letter, expired, or is gone.</summary>
    public sealed record Failed : FedEnd;

    /// <summary>Somebody cancelled it.</summary>
    public sealed record Cancelled : FedEnd;
}

/// <summary>What became of invocations that triggers queued: for sources that acknowledge when a run has ended.</summary>
public interface IFedInvocations
{
    Task<FedEnd> EndOfAsync(TenantId tenant, InvocationId invocation, CancellationToken cancellationToken);
}
