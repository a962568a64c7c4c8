using Dormouse.Core.Access;
using Dormouse.Core.Endpoints;
using Microsoft.AspNetCore.Http;

namespace Dormouse.Server.Access;

/// <summary>Who calls: the key's tenant and scopes; for a public endpoint without a key, the addressed tenant and no scopes.</summary>
/// <param name="Tenant">The tenant whose endpoints the call addresses.</param>
/// <param name="KeyId">Null without a key.</param>
public sealed record Caller(TenantId Tenant, KeyScopes Scopes, string? KeyId);

/// <summary>The one permission check. Control plane, gateway and gRPC ask it.</summary>
internal sealed class AccessGate
{
    /// <summary>
    /// Reads <c>Authorization: Bearer dm_…</c>. Returns the caller, or null after it has written the problem (401 without or with a wrong key, 403 without the scope).
    /// A key of one tenant never reaches another tenant's endpoints: those answer as if they did not exist.
    /// </summary>
    /// <param name="isPublic">The endpoint needs no key.</param>
    public ValueTask<Caller?> CheckAsync(HttpContext context, KeyScopes needed, TenantId tenant, bool isPublic = false) =>
        throw new NotImplementedException();

    /// <summary>The same on a credential string (gRPC metadata); says why as a value.</summary>
    public ValueTask<AccessResult> CheckAsync(string? authorization, KeyScopes needed, TenantId tenant, bool isPublic) =>
        throw new NotImplementedException();
}

internal abstract record AccessResult
{
    private AccessResult()
    {
    }

    public sealed record Allowed(Caller Caller) : AccessResult;

    public sealed record Refused(Protocol.Problems.ProblemCode Code, string Detail) : AccessResult;
}
