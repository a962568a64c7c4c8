using System.Collections.Immutable;
using System.Security.Cryptography;
using Dormouse.Core.Access;
using Dormouse.Core.Endpoints;
using Dormouse.Protocol.Control;

namespace Dormouse.Server.Access;

/// <summary>Makes, lists and revokes keys. Any listed key may be revoked, the last one too: the administrator's own key always stays.</summary>
internal sealed class KeyService(IAccessKeys store, KeyRing ring, TimeProvider time)
{
    public const int NameCharactersMax = 100;

    /// <summary>Null when the request is fine, else what is wrong with it.</summary>
    public static string? Refusal(CreateKeyRequest request)
    {
        if (string.IsNullOrWhiteSpace(request.Name) || request.Name.Length > NameCharactersMax || request.Name.Any(char.IsControl))
        {
            return $"'name' must be 1 to {NameCharactersMax} characters, without control characters.";
        }

        return request.Scopes.IsDefaultOrEmpty || request.Scopes.Any(s => Scope(s) is null)
            ? "'scopes' must name at least one of: admin, invoke."
            : null;
    }

    /// <summary>The only answer that ever holds the secret.</summary>
    public async Task<KeyInfo> CreateAsync(TenantId tenant, CreateKeyRequest request, CancellationToken cancellationToken)
    {
        var made = KeyFormat.Make(RandomNumberGenerator.GetBytes(KeyFormat.RandomLength));
        var scopes = request.Scopes.Aggregate(KeyScopes.None, (all, s) => all | (Scope(s) ?? KeyScopes.None));
        var key = new AccessKey(tenant, made.Id, request.Name, scopes, KeyFormat.Hash(made.Secret), time.GetUtcNow());
        await store.AddAsync(key, cancellationToken);
        return Info(key) with { Key = made.Text };
    }

    public async Task<KeyList> ListAsync(TenantId tenant, CancellationToken cancellationToken) =>
        new([.. (await store.ListAsync(tenant, cancellationToken)).Select(Info)]);

    /// <summary>False when there is no such key.</summary>
    public async Task<bool> RevokeAsync(TenantId tenant, string id, CancellationToken cancellationToken)
    {
        var removed = await store.RemoveAsync(tenant, id, cancellationToken);
        ring.Forget(id);
        return removed;
    }

    /// <summary>"admin, invoke".</summary>
    public static string Words(KeyScopes scopes) => scopes == KeyScopes.None ? "none" : string.Join(", ", WordsOf(scopes));

    private static KeyInfo Info(AccessKey key) => new(key.Id, key.Name, WordsOf(key.Scopes), key.CreatedAt);

    private static ImmutableArray<string> WordsOf(KeyScopes scopes) =>
    [
        .. scopes.HasFlag(KeyScopes.Admin) ? ["admin"] : Array.Empty<string>(),
        .. scopes.HasFlag(KeyScopes.Invoke) ? ["invoke"] : Array.Empty<string>(),
    ];

    private static KeyScopes? Scope(string? word) => word switch
    {
        "admin" => KeyScopes.Admin,
        "invoke" => KeyScopes.Invoke,
        _ => null,
    };
}
