using System.Collections.Immutable;
using Dormouse.Core.Endpoints;

namespace Dormouse.Core.Access;

[Flags]
public enum KeyScopes
{
    None = 0,

    /// <summary>Invoke endpoints and read their metadata.</summary>
    Invoke = 1,

    /// <summary>Everything, keys included.</summary>
    Admin = 2,
}

/// <summary>A stored key: the secret itself is never stored, only its SHA-256.</summary>
/// <param name="Id">Public part: what <c>dm_&lt;id&gt;_&lt;secret&gt;</c> is found by; 12 characters of a–z and 2–7.</param>
/// <param name="SecretHash">SHA-256 of the secret's ASCII bytes, 32 bytes; compared in fixed time.</param>
public sealed record AccessKey(TenantId Tenant, string Id, string Name, KeyScopes Scopes, ImmutableArray<byte> SecretHash, DateTimeOffset CreatedAt);

public interface IAccessKeys
{
    Task<AccessKey?> FindAsync(string id, CancellationToken cancellationToken);

    Task<ImmutableArray<AccessKey>> ListAsync(TenantId tenant, CancellationToken cancellationToken);

    Task AddAsync(AccessKey key, CancellationToken cancellationToken);

    /// <summary>False when there was no such key.</summary>
    Task<bool> RemoveAsync(TenantId tenant, string id, CancellationToken cancellationToken);
}
