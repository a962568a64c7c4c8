using System.Security.Cryptography;
using System.Text;

namespace Dormouse.Storage.Sealing;

/// <summary>
/// The form of a sealed value: 8 bytes that say so, 8 bytes of the key's id, 12 bytes drawn for it, 16 bytes that prove it whole (AES-256-GCM), and what was sealed. What it belongs to is proved with it, so that
/// a value put into another row does not open.
/// </summary>
internal static class SealedValue
{
    public const int KeyIdBytes = 8;

    private const int NonceBytes = 12;
    private const int TagBytes = 16;

    private static readonly byte[] Mark = "DMSEAL01"u8.ToArray();

    /// <summary>What a sealed value is longer than the value.</summary>
    public static int OverheadBytes => Mark.Length + KeyIdBytes + NonceBytes + TagBytes;

    public static bool Is(ReadOnlySpan<byte> stored) => stored.Length >= OverheadBytes && stored.StartsWith(Mark);

    public static string KeyId(ReadOnlySpan<byte> stored) => Convert.ToHexStringLower(stored.Slice(Mark.Length, KeyIdBytes));

    /// <param name="owner">What the value belongs to.</param>
    public static byte[] Make(SealingKey key, string owner, ReadOnlySpan<byte> value)
    {
        var made = new byte[OverheadBytes + value.Length];
        Mark.CopyTo(made, 0);
        Convert.FromHexString(key.Id).CopyTo(made, Mark.Length);
        var (nonce, tag, hidden) = Parts(made);
        RandomNumberGenerator.Fill(made.AsSpan(nonce, NonceBytes));
        using var cipher = new AesGcm(key.Bytes, TagBytes);
        cipher.Encrypt(made.AsSpan(nonce, NonceBytes), value, made.AsSpan(hidden), made.AsSpan(tag, TagBytes), Encoding.UTF8.GetBytes(owner));
        return made;
    }

    /// <exception cref="AuthenticationTagMismatchException">It was changed, or belongs to something else.</exception>
    public static byte[] Open(SealingKey key, string owner, ReadOnlySpan<byte> stored)
    {
        var (nonce, tag, hidden) = Parts(stored);
        var value = new byte[stored.Length - hidden];
        using var cipher = new AesGcm(key.Bytes, TagBytes);
        cipher.Decrypt(stored.Slice(nonce, NonceBytes), stored[hidden..], stored.Slice(tag, TagBytes), value, Encoding.UTF8.GetBytes(owner));
        return value;
    }

    private static (int Nonce, int Tag, int Hidden) Parts(ReadOnlySpan<byte> stored) =>
        (Mark.Length + KeyIdBytes, Mark.Length + KeyIdBytes + NonceBytes, OverheadBytes > stored.Length ? throw new ArgumentException("Too short for a sealed value.", nameof(stored)) : OverheadBytes);
}
