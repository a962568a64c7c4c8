using System.Collections.Immutable;

namespace Dormouse.Protocol.Control;

/// <summary>Body of <c>PUT /api/v1/secrets/{name}</c>: one of the two.</summary>
public sealed record SecretRequest
{
    /// <summary>As text.</summary>
    public string? Value { get; init; }

    /// <summary>As base64 of its bytes.</summary>
    public string? Base64 { get; init; }

    /// <summary>Never the value.</summary>
    public override string ToString() => nameof(SecretRequest);
}

/// <summary>A secret of the tenant, without its value, which nobody is ever shown.</summary>
/// <param name="SetAt">When its value was set.</param>
/// <param name="Fault">Why the server cannot open it; null = it can.</param>
public sealed record SecretInfo(string Name, DateTimeOffset SetAt, string? Fault = null)
{
    /// <summary>Revisions with traffic that name it.</summary>
    public ImmutableArray<SecretUse> UsedBy { get; set; } = [];
}

/// <param name="Revision">Such as "r3".</param>
/// <param name="OlderInstances">Its instances that were started before the value was set: they have the one before until they end.</param>
public sealed record SecretUse(string Endpoint, string Revision, int OlderInstances);

/// <summary><c>GET /api/v1/secrets</c>, in order of name.</summary>
public sealed record SecretList(ImmutableArray<SecretInfo> Secrets);
