using System.Buffers;

namespace Dormouse.Server.Gateway;

/// <summary>A whole body that is not its request's any more. Whoever has it gives its memory and its file back.</summary>
/// <param name="kept">From the shared pool; null when there is none.</param>
/// <param name="rest">What follows; null when all is in memory.</param>
internal sealed class DetachedBody(byte[]? kept, int keptBytes, SpoolFile? rest) : IAsyncDisposable
{
    private byte[]? _kept = kept;

    public long Length => keptBytes + (rest?.Length ?? 0);

    /// <summary>The body from its start, as often as needed.</summary>
    public HttpContent Content()
    {
        var memory = _kept.AsMemory(0, keptBytes);
        HttpContent content = rest is null ? new ReadOnlyMemoryContent(memory) : new StreamContent(new RequestBodyStream(memory, rest, null, null));
        content.Headers.ContentLength = Length;
        return content;
    }

    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _kept, null) is { } buffer)
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }

        if (rest is not null)
        {
            await rest.DisposeAsync();
        }
    }
}
