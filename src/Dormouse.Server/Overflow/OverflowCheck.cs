using Dormouse.Core.Overflow;
using Dormouse.Server.Hosting;

namespace Dormouse.Server.Overflow;

/// <summary>What a deploy's overflow address must be besides well written: another server than this, and its key must be there.</summary>
internal sealed class OverflowCheck(OverflowKeys keys, ListeningAt listening)
{
    /// <summary>Null when all is well, else a sentence.</summary>
    public string? Refusal(OverflowPolicy policy) => listening.Addresses is { } own && OverflowAddress.IsOwn(policy, own)
        ? $"overflow.url is '{policy.Url}', which is this server ({own.Http}, {own.Grpc}); allowed is the address of another one."
        : keys.Missing(policy);
}
