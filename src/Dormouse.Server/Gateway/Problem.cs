using Dormouse.Core.Dispatch;
using Dormouse.Protocol.Problems;
using Dormouse.Server.Errors;

namespace Dormouse.Server.Gateway;

/// <summary>A refusal with its row of the catalogue.</summary>
internal sealed record Problem(ProblemCode Code, string Detail, TimeSpan? RetryAfter = null)
{
    public static readonly Problem ServerStopping = new(ProblemCode.ServerStopping, "The server is stopping and takes no new invocations. Retry in a moment.", TimeSpan.FromSeconds(1));

    public static readonly Problem LedgerUnavailable = new(
        ProblemCode.LedgerUnavailable, "The journal of invocations is full because receipts cannot be stored. Nothing has run. The operator finds the cause in the server's log.", TimeSpan.FromSeconds(5));

    public static Problem EndpointNotFound(string name) => new(ProblemCode.EndpointNotFound, $"There is no endpoint '{UrlText.Shown(name)}'.");

    public static Problem RevisionNotFound(string name, string version) =>
        new(ProblemCode.RevisionNotFound, $"Endpoint '{UrlText.Shown(name)}' has no ready revision or tag '{UrlText.Shown(version)}'. Versions are revision numbers such as 1, or tags.");

    /// <summary>Why an invocation got no slot.</summary>
    public static Problem Of(in SlotRefusal refusal, bool isStopping, string endpoint)
    {
        TimeSpan? retryAfter = refusal.RetryAfter > TimeSpan.Zero ? refusal.RetryAfter : null;
        return refusal.Kind switch
        {
            RefusalKind.QueueFull => new(ProblemCode.ConcurrencyLimitReached, refusal.Detail, retryAfter),
            RefusalKind.QueueTimeout => new(ProblemCode.QueueTimeout, refusal.Detail, retryAfter),
            RefusalKind.CallerDeadline => new(ProblemCode.DeadlineUnreachable, refusal.Detail, retryAfter),
            RefusalKind.StartTimeout => new(ProblemCode.ColdStartTimeout, refusal.Detail, retryAfter),
            RefusalKind.StartFailed => new(ProblemCode.StartFailed, refusal.Detail, retryAfter),
            RefusalKind.NoCapacity => new(ProblemCode.CapacityExhausted, refusal.Detail, retryAfter),
            RefusalKind.Retired => isStopping ? ServerStopping : EndpointNotFound(endpoint),
            _ => throw new InvalidOperationException($"Refusal {refusal.Kind} has no row in the catalogue."),
        };
    }
}
