using System.Buffers;
using System.Collections.Immutable;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;

namespace Dormouse.Core.Access;

/// <summary>The form of a key: <c>dm_&lt;id&gt;_&lt;secret&gt;</c>. The id is public and finds the key; the secret is kept only as its SHA-256.</summary>
public static class KeyFormat
{
    /// <summary>Random bytes that <see cref="Make"/> takes: 8 for the id, 32 for the secret.</summary>
    public const int RandomLength = 40;

    /// <summary>Characters of an id.</summary>
    public const int IdLength = 12;

    /// <summary>Fewest characters of a secret; a made one has 52 (256 bits).</summary>
    public const int SecretLengthMin = 32;

    /// <summary>Most characters of a secret.</summary>
    public const int SecretLengthMax = 128;

    private const string Prefix = "dm_";
    private const string Base32 = "abcdefghijklmnopqrstuvwxyz234567";
    private const int IdBytes = 8;

    private static readonly SearchValues<char> IdCharacters = SearchValues.Create(Base32);
    private static readonly SearchValues<char> SecretCharacters =
        SearchValues.Create("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_");

    /// <summary>Makes a key from random bytes: an id of 60 bits and a secret of 256 bits, both in a–z and 2–7.</summary>
    /// <param name="random"><see cref="RandomLength"/> bytes from a cryptographic source.</param>
    /// <exception cref="ArgumentException">There are more or fewer bytes.</exception>
    public static NewKey Make(ReadOnlySpan<byte> random)
    {
        if (random.Length != RandomLength)
        {
            throw new ArgumentException($"A key is made from {RandomLength} random bytes; {random.Length} were given.", nameof(random));
        }

        var id = Encode(random[..IdBytes])[..IdLength];
        var secret = Encode(random[IdBytes..]);
        return new NewKey(id, secret, $"{Prefix}{id}_{secret}");
    }

    /// <summary>
    /// Takes a key apart without copying. The id has 12 characters of a–z and 2–7; the secret 32 to 128 of letters, digits, '-' and '_'.
    /// </summary>
    /// <param name="text">The key as the caller sent it, without blanks around it.</param>
    /// <param name="id">The public part; empty when the form is wrong.</param>
    /// <param name="secret">What <see cref="Matches"/> takes; empty when the form is wrong.</param>
    /// <returns>False when the text has another form.</returns>
    public static bool TryParse(ReadOnlySpan<char> text, out ReadOnlySpan<char> id, out ReadOnlySpan<char> secret)
    {
        id = [];
        secret = [];
        const int SecretAt = 3 + IdLength + 1;
        if (!text.StartsWith(Prefix, StringComparison.Ordinal)
            || text.Length is < SecretAt + SecretLengthMin or > SecretAt + SecretLengthMax
            || text[SecretAt - 1] != '_'
            || text[Prefix.Length..(SecretAt - 1)].ContainsAnyExcept(IdCharacters)
            || text[SecretAt..].ContainsAnyExcept(SecretCharacters))
        {
            return false;
        }

        id = text[Prefix.Length..(SecretAt - 1)];
        secret = text[SecretAt..];
        return true;
    }

    /// <summary>
    /// Id for a key that an operator chose freely (<c>DORMOUSE_ADMIN_KEY</c>) and that <see cref="TryParse"/> refuses: the first 60 bits of the
    /// SHA-256 of the whole text. The whole text is then its secret.
    /// </summary>
    /// <param name="text">The key; compared ordinally.</param>
    public static string ChosenId(ReadOnlySpan<char> text)
    {
        Span<byte> hash = stackalloc byte[SHA256.HashSizeInBytes];
        HashInto(text, hash);

        // Hashed twice, so that the id, which is listed, shares no bits with the stored hash of the secret.
        SHA256.HashData(hash, hash);
        return Encode(hash[..IdBytes])[..IdLength];
    }

    /// <summary>SHA-256 of a secret's bytes, as it is stored: 32 bytes.</summary>
    /// <param name="secret">The secret part of a key, or the whole of a chosen one.</param>
    public static ImmutableArray<byte> Hash(ReadOnlySpan<char> secret)
    {
        var hash = new byte[SHA256.HashSizeInBytes];
        HashInto(secret, hash);
        return ImmutableCollectionsMarshal.AsImmutableArray(hash);
    }

    /// <summary>Whether <paramref name="secret"/> is the one whose hash is stored; takes the same time whichever byte differs.</summary>
    /// <param name="secret">The secret part of a key, or the whole of a chosen one.</param>
    /// <param name="storedHash">32 bytes; any other length never matches.</param>
    public static bool Matches(ReadOnlySpan<char> secret, ReadOnlySpan<byte> storedHash)
    {
        Span<byte> hash = stackalloc byte[SHA256.HashSizeInBytes];
        HashInto(secret, hash);
        return CryptographicOperations.FixedTimeEquals(hash, storedHash);
    }

    private static void HashInto(ReadOnlySpan<char> text, Span<byte> hash)
    {
        Span<byte> small = stackalloc byte[512];
        var needed = Encoding.UTF8.GetMaxByteCount(text.Length);
        var bytes = needed <= small.Length ? small : new byte[needed];
        var written = Encoding.UTF8.GetBytes(text, bytes);
        SHA256.HashData(bytes[..written], hash);
    }

    /// <summary>RFC 4648 base32 in lower case without padding.</summary>
    private static string Encode(ReadOnlySpan<byte> bytes)
    {
        Span<char> characters = stackalloc char[((bytes.Length * 8) + 4) / 5];
        for (var i = 0; i < characters.Length; i++)
        {
            var bit = i * 5;
            var pair = (bytes[bit / 8] << 8) | ((bit / 8) + 1 < bytes.Length ? bytes[(bit / 8) + 1] : 0);
            characters[i] = Base32[(pair >> (11 - (bit % 8))) & 31];
        }

        return new string(characters);
    }
}

/// <summary>A key just made; the only moment at which its secret is known.</summary>
/// <param name="Id">Public part.</param>
/// <param name="Secret">Secret part; only its hash is stored.</param>
/// <param name="Text">The whole key, shown once.</param>
public sealed record NewKey(string Id, string Secret, string Text);
