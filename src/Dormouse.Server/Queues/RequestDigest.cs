using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;
using Dormouse.Core.Queues;
using Dormouse.Protocol;

namespace Dormouse.Server.Queues;

/// <summary>Tells whether two requests with the same idempotency key are the same.</summary>
internal static class RequestDigest
{
    /// <summary>Of everything that makes the request what it is; the parts cannot run into each other.</summary>
    public static byte[] Of(QueuedRequest request, ReadOnlySpan<byte> body)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        Span<byte> length = stackalloc byte[sizeof(int)];
        var type = request.Headers.FirstOrDefault(h => h.Key.Equals("Content-Type", StringComparison.OrdinalIgnoreCase)).Value;
        var jsonLength = request.Headers.FirstOrDefault(h => h.Key.Equals(DormouseHeaders.InferenceHeaderContentLength, StringComparison.OrdinalIgnoreCase)).Value;
        foreach (var part in (string?[])[request.Method, request.Target, request.Version, type, jsonLength])
        {
            var bytes = Encoding.UTF8.GetBytes(part ?? "");
            BinaryPrimitives.WriteInt32LittleEndian(length, part is null ? -1 : bytes.Length);
            hash.AppendData(length);
            hash.AppendData(bytes);
        }

        hash.AppendData(body);
        return hash.GetHashAndReset();
    }
}
