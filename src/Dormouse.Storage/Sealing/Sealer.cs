using System.Security.Cryptography;
using Dormouse.Core.Secrets;
using Dormouse.Storage.Sql;

namespace Dormouse.Storage.Sealing;

/// <summary>Seals what must not lie readable in the database, and opens it. Nothing is read or made before something is to be sealed or opened.</summary>
internal sealed class Sealer(string keyFilePath, TimeProvider time)
{
    private readonly KeyFile _file = new(Path.GetFullPath(keyFilePath));

    public string KeyFilePath => _file.FilePath;

    public static string OwnerOfSecret(string tenant, string name) => $"secret/{tenant}/{name}";

    public static string OwnerOfDestination(string tenant, string name) => $"destination/{tenant}/{name}";

    /// <summary>Seals within the transaction that stores it. The first time in a database the key file is made; later a server without the key that others use is refused.</summary>
    /// <exception cref="SealingException">The key file cannot be used, or others have sealed with a key that is not in it.</exception>
    public byte[] Seal(SqlSession session, string owner, ReadOnlySpan<byte> value)
    {
        var used = session.All("SELECT key_id FROM sealing_keys ORDER BY first_used_at", r => r.GetString(0));
        var keys = _file.Keys();
        if (keys.IsEmpty && used.Count == 0)
        {
            _file.Make();
            keys = _file.Keys();
        }

        if (keys.IsEmpty || (used.Count > 0 && !used.Any(id => _file.Find(id) is not null)))
        {
            throw new SealingException(
                $"The database holds secrets that are sealed with key {string.Join(", ", used)}; {Without(keys.IsEmpty)}. Put the file that sealed them there (with several servers, the same one for all: secrets.key_file).");
        }

        var key = _file.Keys()[0];
        if (!used.Contains(key.Id))
        {
            session.Execute(
                "INSERT INTO sealing_keys (key_id, first_used_at) VALUES ($id, $now) ON CONFLICT (key_id) DO NOTHING",
                ("$id", key.Id), ("$now", StoredTime.ToMicroseconds(time.GetUtcNow())));
        }

        return SealedValue.Make(key, owner, value);
    }

    /// <summary>Opens what was sealed for the same owner.</summary>
    /// <param name="what">What it is, for the message: "the secret 'token'".</param>
    /// <exception cref="SealingException">The key is not in the file, or the value was changed.</exception>
    public byte[] Open(string owner, string what, ReadOnlySpan<byte> stored)
    {
        if (!SealedValue.Is(stored))
        {
            throw new SealingException($"{Upper(what)} is stored in a form that this version does not know.");
        }

        var id = SealedValue.KeyId(stored);
        if (_file.Find(id) is not { } key)
        {
            throw new SealingException(NoKey(what, id));
        }

        try
        {
            return SealedValue.Open(key, owner, stored);
        }
        catch (CryptographicException e)
        {
            throw new SealingException($"{Upper(what)} was changed in the database, or was sealed for another name: it does not open with key {id}. Set it again.", e);
        }
    }

    /// <summary>Why what is sealed with this key cannot be opened; null when it can.</summary>
    public string? Fault(string what, string keyId)
    {
        try
        {
            return _file.Find(keyId) is null ? NoKey(what, keyId) : null;
        }
        catch (SealingException e)
        {
            return $"{Upper(what)} cannot be opened. {e.Message}";
        }
    }

    private static string Upper(string what) => char.ToUpperInvariant(what[0]) + what[1..];

    private string NoKey(string what, string id) => $"{Upper(what)} cannot be opened: it is sealed with key {id}, and {Without(_file.Keys().IsEmpty)}. Put the right key file there, or set it again.";

    private string Without(bool isMissing) => isMissing ? $"the key file '{KeyFilePath}' does not exist" : $"the key file '{KeyFilePath}' holds another ({string.Join(", ", _file.Keys())})";
}
