using System.IO.Compression;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Primitives;

namespace Dormouse.Server.Gateway;

/// <summary>Compresses a JSON answer of the inference protocol on its way to a caller who takes gzip or deflate. Instances never compress.</summary>
internal sealed class AnswerCompression
{
    /// <summary>Smaller answers gain nothing, bytes.</summary>
    private const long BytesMin = 1024;

    private readonly CallerStream _caller;
    private readonly Stream _compressing;

    private AnswerCompression(CallerStream caller, Stream compressing)
    {
        _caller = caller;
        _compressing = compressing;
    }

    /// <summary>Puts itself between forwarder and caller; null when the answer stays as it is.</summary>
    public static AnswerCompression? Begin(HttpContext context, HttpResponseMessage answer)
    {
        var content = answer.Content.Headers;
        if (content.ContentType?.MediaType != "application/json" || content.ContentLength < BytesMin || content.ContentEncoding.Count > 0)
        {
            return null;
        }

        var response = context.Response;
        response.Headers.Append("Vary", "Accept-Encoding");
        if (Choose(context.Request.Headers.AcceptEncoding) is not { } encoding)
        {
            return null;
        }

        response.Headers.ContentEncoding = encoding;
        response.ContentLength = null;
        var caller = new CallerStream(response.Body);
        Stream compressing = encoding == "gzip"
            ? new GZipStream(caller, CompressionLevel.Fastest, leaveOpen: true)
            : new ZLibStream(caller, CompressionLevel.Fastest, leaveOpen: true);
        response.Body = new PoolStream(compressing);
        return new AnswerCompression(caller, compressing);
    }

    /// <summary>"gzip", else "deflate", whichever the caller takes; null when neither. A weight of 0 is a refusal.</summary>
    public static string? Choose(StringValues acceptEncoding)
    {
        var deflate = false;
        foreach (var line in acceptEncoding)
        {
            foreach (var range in line.AsSpan().Split(','))
            {
                var offer = line.AsSpan()[range].Trim();
                var semicolon = offer.IndexOf(';');
                var coding = (semicolon < 0 ? offer : offer[..semicolon]).Trim();
                if (semicolon >= 0 && IsZero(offer[(semicolon + 1)..]))
                {
                    continue;
                }

                if (coding.Equals("gzip", StringComparison.OrdinalIgnoreCase) || coding is "*")
                {
                    return "gzip";
                }

                deflate |= coding.Equals("deflate", StringComparison.OrdinalIgnoreCase);
            }
        }

        return deflate ? "deflate" : null;
    }

    /// <summary>Takes itself out again. The compressed form's end is only written to an answer that <paramref name="isWhole"/>.</summary>
    public async ValueTask FinishAsync(HttpContext context, bool isWhole)
    {
        _caller.IsCut = !isWhole;
        await _compressing.DisposeAsync();
        context.Response.Body = _caller.Body;
    }

    private static bool IsZero(ReadOnlySpan<char> parameter)
    {
        var value = parameter.Trim();
        return value.StartsWith("q=0", StringComparison.OrdinalIgnoreCase) && value[3..].TrimStart('.').TrimStart('0').IsEmpty;
    }

    /// <summary>The caller's end of the compressing stream; lets nothing through once the answer is known to be broken.</summary>
    private sealed class CallerStream(Stream body) : WriteOnlyStream
    {
        public Stream Body => body;

        public bool IsCut { get; set; }

        public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default) =>
            IsCut ? ValueTask.CompletedTask : body.WriteAsync(buffer, cancellationToken);

        public override Task FlushAsync(CancellationToken cancellationToken) => IsCut ? Task.CompletedTask : body.FlushAsync(cancellationToken);
    }

    /// <summary>Compresses on a thread of the pool: it takes a millisecond for some hundred kilobytes, and the forwarder comes on a thread that waits for all sockets.</summary>
    private sealed class PoolStream(Stream compressing) : WriteOnlyStream
    {
        public override async ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
        {
            await Task.CompletedTask.ConfigureAwait(ConfigureAwaitOptions.ForceYielding);
            await compressing.WriteAsync(buffer, cancellationToken);
        }

        public override Task FlushAsync(CancellationToken cancellationToken) => compressing.FlushAsync(cancellationToken);
    }
}
