using System.Collections.Concurrent;
using System.Collections.Immutable;
using Dormouse.Core.Access;
using Dormouse.Core.Endpoints;

namespace Dormouse.Server.Access;

/// <summary>
/// Finds who a key belongs to: by its public part, then its secret's hash in fixed time. Keys that were used are kept in memory, at most
/// <see cref="KeptMax"/>; a revoked one is forgotten at once.
/// </summary>
internal sealed class KeyRing(IAccessKeys store, AdminKey admin)
{
    public const int KeptMax = 10_000;

    private readonly ConcurrentDictionary<string, AccessKey> _kept = new(StringComparer.Ordinal);
    private long _revocations;

    /// <summary>Null when the key is not valid. The administrator's key is at home in every tenant.</summary>
    public ValueTask<Caller?> FindAsync(string key, TenantId addressed, CancellationToken cancellationToken)
    {
        if (admin.Is(key))
        {
            return new ValueTask<Caller?>(new Caller(addressed, KeyScopes.Admin | KeyScopes.Invoke, AdminKey.Id));
        }

        if (!KeyFormat.TryParse(key, out var id, out _))
        {
            return new ValueTask<Caller?>((Caller?)null);
        }

        return _kept.GetAlternateLookup<ReadOnlySpan<char>>().TryGetValue(id, out var kept)
            ? new ValueTask<Caller?>(Compare(kept, key))
            : LoadAsync(id.ToString(), key, cancellationToken);
    }

    /// <summary>Call after the key is gone from the store.</summary>
    public void Forget(string id)
    {
        Interlocked.Increment(ref _revocations);
        _kept.TryRemove(id, out _);
    }

    /// <summary>Any key may be gone.</summary>
    public void ForgetAll()
    {
        Interlocked.Increment(ref _revocations);
        _kept.Clear();
    }

    private async ValueTask<Caller?> LoadAsync(string id, string key, CancellationToken cancellationToken)
    {
        var before = Volatile.Read(ref _revocations);
        if (await store.FindAsync(id, cancellationToken) is not { } found)
        {
            return null;
        }

        if (Compare(found, key) is not { } caller)
        {
            return null;
        }

        if (_kept.Count >= KeptMax)
        {
            _kept.Clear();
        }

        _kept[id] = found;
        if (Volatile.Read(ref _revocations) != before)
        {
            // A key was revoked between the look-up and now; it may be this one.
            _kept.TryRemove(id, out _);
        }

        return caller;
    }

    private static Caller? Compare(AccessKey stored, string key) =>
        KeyFormat.TryParse(key, out _, out var secret) && KeyFormat.Matches(secret, stored.SecretHash.AsSpan())
            ? new Caller(stored.Tenant, stored.Scopes, stored.Id)
            : null;
}

/// <summary>The administrator's key: set by whoever starts the server, or made once and kept in the data folder. It is in no list and cannot be revoked over the API.</summary>
internal sealed class AdminKey(string key)
{
    /// <summary>Stands for the key in logs.</summary>
    public const string Id = "admin";

    private readonly ImmutableArray<byte> _hash = KeyFormat.Hash(key);

    public bool Is(string candidate) => candidate.Length <= CandidateCharactersMax && KeyFormat.Matches(candidate, _hash.AsSpan());

    /// <summary>Nothing longer is a key; hashing it would only cost time.</summary>
    private const int CandidateCharactersMax = 512;
}
