using Dormouse.Core.Access;
using Dormouse.Core.Endpoints;
using Dormouse.Protocol.Problems;
using Dormouse.Server.Errors;
using Microsoft.AspNetCore.Http;

namespace Dormouse.Server.Access;

/// <summary>Who calls: the key's tenant and scopes; for a public endpoint without a key, the addressed tenant and no scopes.</summary>
/// <param name="Tenant">The tenant whose endpoints the call addresses.</param>
/// <param name="KeyId">Null without a key.</param>
public sealed record Caller(TenantId Tenant, KeyScopes Scopes, string? KeyId);

/// <summary>The one permission check. Control plane, gateway and gRPC ask it.</summary>
internal sealed class AccessGate(KeyRing keys)
{
    private const string Scheme = "Bearer ";

    /// <summary>
    /// Reads <c>Authorization: Bearer dm_…</c>. Returns the caller, or null after it has written the problem (401 without or with a wrong key, 403 without the scope).
    /// A key of one tenant never reaches another tenant's endpoints: those answer as if they did not exist.
    /// </summary>
    /// <param name="isPublic">The endpoint needs no key.</param>
    public ValueTask<Caller?> CheckAsync(HttpContext context, KeyScopes needed, TenantId tenant, bool isPublic = false)
    {
        var check = CheckAsync(context.Request.Headers.Authorization.ToString(), needed, tenant, isPublic);
        if (!check.IsCompletedSuccessfully)
        {
            return AnswerLaterAsync(context, check);
        }

        var result = check.Result;
        return result is AccessResult.Allowed allowed ? new ValueTask<Caller?>(allowed.Caller) : AnswerAsync(context, result);
    }

    /// <summary>The same on a credential string (gRPC metadata); says why as a value.</summary>
    public ValueTask<AccessResult> CheckAsync(string? authorization, KeyScopes needed, TenantId tenant, bool isPublic)
    {
        if (isPublic)
        {
            // A key on a call that needs none is not looked at: whoever sends one anyway must not be worse off than who sends none.
            return new ValueTask<AccessResult>(new AccessResult.Allowed(new Caller(tenant, KeyScopes.None, null)));
        }

        if (string.IsNullOrEmpty(authorization))
        {
            return new ValueTask<AccessResult>(new AccessResult.Refused(
                ProblemCode.KeyMissing, "This address needs a key. Send it as 'Authorization: Bearer dm_…'."));
        }

        if (!authorization.StartsWith(Scheme, StringComparison.OrdinalIgnoreCase))
        {
            return new ValueTask<AccessResult>(new AccessResult.Refused(
                ProblemCode.KeyInvalid, "The Authorization header must be 'Bearer' and a key, 'Bearer dm_…'."));
        }

        var find = keys.FindAsync(authorization[Scheme.Length..].Trim(), tenant, CancellationToken.None);
        return find.IsCompletedSuccessfully
            ? new ValueTask<AccessResult>(Judge(find.Result, needed, tenant))
            : JudgeAsync(find, needed, tenant);
    }

    private static async ValueTask<AccessResult> JudgeAsync(ValueTask<Caller?> find, KeyScopes needed, TenantId tenant) => Judge(await find, needed, tenant);

    private static AccessResult Judge(Caller? caller, KeyScopes needed, TenantId tenant)
    {
        if (caller is null)
        {
            return new AccessResult.Refused(ProblemCode.KeyInvalid, "The key is not valid: it was never issued here, it was revoked, or it is mistyped.");
        }

        if (caller.Tenant != tenant)
        {
            return new AccessResult.Refused(ProblemCode.EndpointNotFound, "There is no such endpoint.");
        }

        return caller.Scopes.HasFlag(KeyScopes.Admin) || (caller.Scopes & needed) == needed
            ? new AccessResult.Allowed(caller)
            : new AccessResult.Refused(
                ProblemCode.ScopeMissing,
                $"The key has the scope {KeyService.Words(caller.Scopes)}; this address needs {KeyService.Words(needed)}.");
    }

    private static async ValueTask<Caller?> AnswerLaterAsync(HttpContext context, ValueTask<AccessResult> check) => await AnswerAsync(context, await check);

    private static async ValueTask<Caller?> AnswerAsync(HttpContext context, AccessResult result)
    {
        switch (result)
        {
            case AccessResult.Allowed allowed:
                return allowed.Caller;

            case AccessResult.Refused refused:
                context.Response.Headers.WWWAuthenticate = refused.Code.Code switch
                {
                    "key_missing" => "Bearer realm=\"dormouse\"",
                    "key_invalid" => "Bearer realm=\"dormouse\", error=\"invalid_token\"",
                    "scope_missing" => "Bearer realm=\"dormouse\", error=\"insufficient_scope\"",
                    _ => default,
                };
                await Problems.WriteAsync(context, refused.Code, refused.Detail);
                return null;

            default:
                throw new InvalidOperationException("An access result is allowed or refused.");
        }
    }
}

internal abstract record AccessResult
{
    private AccessResult()
    {
    }

    public sealed record Allowed(Caller Caller) : AccessResult;

    public sealed record Refused(ProblemCode Code, string Detail) : AccessResult;
}
