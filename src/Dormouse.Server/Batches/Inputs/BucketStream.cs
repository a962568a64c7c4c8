using Dormouse.Core.Batches;

namespace Dormouse.Server.Batches.Inputs;

/// <summary>An object as a stream that can be moved: it is asked for from its position on when it is read, and again from there when its connection broke.</summary>
internal sealed class BucketStream(IBucketObjects objects, string bucket, BucketObject known) : Stream
{
    /// <summary>A connection may break so often without a byte in between.</summary>
    private const int TriesMax = 4;

    private Stream? _rest;
    private long _position;

    public override bool CanRead => true;

    public override bool CanSeek => true;

    public override bool CanWrite => false;

    public override long Length => known.Bytes;

    public override long Position
    {
        get => _position;
        set => Seek(value, SeekOrigin.Begin);
    }

    /// <exception cref="InputUnreadableException">It is gone, or was written anew.</exception>
    /// <exception cref="IOException">Its server does not answer.</exception>
    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        if (buffer.IsEmpty || _position >= known.Bytes)
        {
            return 0;
        }

        for (var tries = 1; ; tries++)
        {
            try
            {
                _rest ??= await objects.OpenAsync(bucket, known, _position, cancellationToken)
                    ?? throw new InputUnreadableException($"'{new BucketPlace(bucket, known.Key)}' was changed or removed while the job ran; which of its items are done cannot be told any more. Begin a new job.");
                if (await _rest.ReadAsync(buffer, cancellationToken) is > 0 and var read)
                {
                    _position += read;
                    return read;
                }

                throw new IOException("its server ended the answer before the object's end");
            }
            catch (Exception e) when (e is IOException or HttpRequestException)
            {
                await CloseAsync();
                if (tries == TriesMax)
                {
                    throw;
                }
            }
        }
    }

    public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) => ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException("An object is read asynchronously.");

    public override long Seek(long offset, SeekOrigin origin)
    {
        var to = origin switch { SeekOrigin.Begin => offset, SeekOrigin.Current => _position + offset, _ => known.Bytes + offset };
        if (to != _position)
        {
            _rest?.Dispose();
            (_rest, _position) = (null, to);
        }

        return to;
    }

    public override void Flush()
    {
    }

    public override void SetLength(long value) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override async ValueTask DisposeAsync()
    {
        await CloseAsync();
        await base.DisposeAsync();
    }

    protected override void Dispose(bool disposing)
    {
        _rest?.Dispose();
        base.Dispose(disposing);
    }

    private async ValueTask CloseAsync()
    {
        if (_rest is { } rest)
        {
            _rest = null;
            await rest.DisposeAsync();
        }
    }
}
