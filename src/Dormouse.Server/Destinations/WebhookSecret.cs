using System.Collections.Immutable;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Dormouse.Core.Destinations;

namespace Dormouse.Server.Destinations;

/// <summary>Secrets and signatures of Standard Webhooks (version 1).</summary>
internal static class WebhookSecret
{
    public const string Form = "'whsec_' and base64 of 24 to 64 bytes";

    private const string Prefix = "whsec_";

    private const int DrawnBytes = 32;

    public static ImmutableArray<byte> Draw() => [.. RandomNumberGenerator.GetBytes(DrawnBytes)];

    public static string Text(ImmutableArray<byte> secret) => Prefix + Convert.ToBase64String(secret.AsSpan());

    /// <summary>Null when it is not of the <see cref="Form"/>.</summary>
    public static ImmutableArray<byte>? Parse(string text)
    {
        var buffer = new byte[Destination.SecretBytesMax + 3];
        return text.StartsWith(Prefix, StringComparison.Ordinal)
            && Convert.TryFromBase64String(text[Prefix.Length..], buffer, out var length)
            && length is >= Destination.SecretBytesMin and <= Destination.SecretBytesMax
            ? [.. buffer.AsSpan(0, length)]
            : null;
    }

    /// <summary>The value of <c>webhook-signature</c>: one signature of each secret, with blanks between them.</summary>
    public static string Sign(ImmutableArray<ImmutableArray<byte>> secrets, string id, long unixSeconds, ReadOnlySpan<byte> body)
    {
        byte[] signed = [.. Encoding.UTF8.GetBytes(string.Create(CultureInfo.InvariantCulture, $"{id}.{unixSeconds}.")), .. body];
        return string.Join(' ', secrets.Select(s => "v1," + Convert.ToBase64String(HMACSHA256.HashData(s.AsSpan(), signed))));
    }
}
