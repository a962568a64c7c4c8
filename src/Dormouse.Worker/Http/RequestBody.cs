using System.Buffers;
using System.IO.Compression;
using Dormouse.Protocol.Inference;
using Dormouse.Protocol.Problems;
using Microsoft.AspNetCore.Http;

namespace Dormouse.Worker.Http;

/// <summary>Reads a request's body whole into one rented buffer: rented once when its length is known, decompressed under a limit.</summary>
internal static class RequestBody
{
    /// <summary>Most that a compressed body may unpack to, whatever the instance's memory.</summary>
    private const int UnpackedBytesMax = 256 * 1024 * 1024;

    /// <summary>
    /// Share of the instance's memory that it may unpack to. The buffer grows by doubling, and the pool keeps what it grew out of: together that is twice as
    /// much, and the collector's own limit lies at three quarters.
    /// </summary>
    private const int MemoryShare = 4;

    private const int FirstBytes = 16 * 1024;

    /// <summary>Limit of a compressed body's content, which a small body could claim to be anything, bytes.</summary>
    internal static int UnpackedLimit(int memoryMib) => (int)Math.Min(UnpackedBytesMax, ((long)memoryMib << 20) / MemoryShare);

    /// <summary>The body; the caller disposes it. Throws <see cref="InferenceException"/> for what cannot be read.</summary>
    /// <param name="memoryMib">The instance's memory limit.</param>
    internal static async ValueTask<PooledBuffer> ReadAsync(HttpRequest request, int memoryMib, CancellationToken cancellationToken)
    {
        var encoding = request.Headers.ContentEncoding.ToString();
        switch (encoding.ToLowerInvariant())
        {
            case "" or "identity":
                return await ReadPlainAsync(request, cancellationToken);
            case "gzip" or "x-gzip":
                return await InflateAsync(new GZipStream(request.Body, CompressionMode.Decompress), encoding, memoryMib, cancellationToken);
            case "deflate":
                return await InflateAsync(new ZLibStream(request.Body, CompressionMode.Decompress), encoding, memoryMib, cancellationToken);
            default:
                throw new InferenceException(ProblemCode.MediaTypeUnsupported, $"The content encoding '{encoding}' is not supported; use gzip, deflate or none.");
        }
    }

    private static async ValueTask<PooledBuffer> ReadPlainAsync(HttpRequest request, CancellationToken cancellationToken)
    {
        if (request.ContentLength > Array.MaxLength)
        {
            throw new InferenceException(ProblemCode.BodyTooLarge, $"The body has {request.ContentLength} bytes; at most {Array.MaxLength} can be read.");
        }

        var body = new PooledBuffer((int)(request.ContentLength ?? FirstBytes));
        try
        {
            var reader = request.BodyReader;
            while (true)
            {
                var read = await reader.ReadAsync(cancellationToken);
                if ((long)body.Length + read.Buffer.Length > Array.MaxLength)
                {
                    throw new InferenceException(ProblemCode.BodyTooLarge, $"The body has more than {Array.MaxLength} bytes.");
                }

                foreach (var segment in read.Buffer)
                {
                    body.Write(segment.Span);
                }

                reader.AdvanceTo(read.Buffer.End);
                if (read.IsCompleted)
                {
                    return body;
                }
            }
        }
        catch
        {
            body.Dispose();
            throw;
        }
    }

    private static async ValueTask<PooledBuffer> InflateAsync(Stream inflating, string encoding, int memoryMib, CancellationToken cancellationToken)
    {
        var limit = UnpackedLimit(memoryMib);
        var body = new PooledBuffer(FirstBytes);
        try
        {
            await using (inflating)
            {
                int read;
                while (body.Length < limit && (read = await inflating.ReadAsync(Rest(body, limit), cancellationToken)) > 0)
                {
                    body.Advance(read);
                }

                // Asked for apart, so that the buffer never grows beyond the limit to learn that there is more.
                if (body.Length == limit && await inflating.ReadAsync(new byte[1], cancellationToken) > 0)
                {
                    throw new InferenceException(
                        ProblemCode.BodyTooLarge,
                        $"The body unpacks to more than the {limit} bytes that an instance of {memoryMib} MiB takes (a quarter of its memory, at most {UnpackedBytesMax}). Send less at once, send it without {encoding}, or deploy with more --memory.");
                }
            }

            return body;
        }
        catch (InvalidDataException e)
        {
            body.Dispose();
            throw new InferenceException(ProblemCode.RequestInvalid, $"The body is not valid {encoding} data, or it is cut off before its end. Send it whole, or without Content-Encoding.", e);
        }
        catch
        {
            body.Dispose();
            throw;
        }
    }

    private static Memory<byte> Rest(PooledBuffer body, int limit)
    {
        var free = body.GetMemory();
        return free[..Math.Min(free.Length, limit - body.Length)];
    }
}
