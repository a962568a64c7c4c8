using System.Net;

namespace Dormouse.Client;

/// <summary>The rest of a file as a request body of known length, streamed, with progress.</summary>
internal sealed class FileContent : HttpContent
{
    private readonly Stream _stream;
    private readonly long _length;
    private readonly UploadPosition _told;

    public FileContent(Stream stream, long length, UploadPosition told)
    {
        _stream = stream;
        _length = length;
        _told = told;
        Headers.ContentType = new("application/octet-stream");
    }

    protected override Task SerializeToStreamAsync(Stream stream, TransportContext? context) => SerializeToStreamAsync(stream, context, CancellationToken.None);

    protected override async Task SerializeToStreamAsync(Stream stream, TransportContext? context, CancellationToken cancellationToken)
    {
        var buffer = new byte[128 * 1024];
        var left = _length;
        while (left > 0)
        {
            var read = await _stream.ReadAsync(buffer.AsMemory(0, (int)Math.Min(left, buffer.Length)), cancellationToken).ConfigureAwait(false);
            if (read == 0)
            {
                throw new IOException("The file became shorter while it was sent.");
            }

            await stream.WriteAsync(buffer.AsMemory(0, read), cancellationToken).ConfigureAwait(false);
            left -= read;
            _told.Advance(read);
        }
    }

    protected override bool TryComputeLength(out long length)
    {
        length = _length;
        return true;
    }
}
