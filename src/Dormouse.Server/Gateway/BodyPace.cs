using System.IO.Pipelines;
using Microsoft.AspNetCore.Http;

namespace Dormouse.Server.Gateway;

/// <summary>
/// Refuses a caller who sends more slowly than 240 bytes a second. Only time spent waiting for the caller counts, and what came fast before earns no
/// credit: Kestrel's own limit is an average, so after a megabyte at once it lets a caller hold a slot for an hour.
/// </summary>
internal sealed class BodyPace(TimeProvider time) : IDisposable
{
    /// <summary>Each part of this size must come…</summary>
    private const int PartBytes = 1200;

    /// <summary>…within this time.</summary>
    private static readonly TimeSpan PartLimit = TimeSpan.FromSeconds(5);

    private CancellationTokenSource? _limit;
    private long _bytes;
    private TimeSpan _waited;

    /// <exception cref="BadHttpRequestException">The caller is too slow: 408.</exception>
    public async ValueTask<ReadResult> ReadAsync(PipeReader reader, CancellationToken cancellationToken)
    {
        while (true)
        {
            if (reader.TryRead(out var ready))
            {
                if (!ready.IsCanceled)
                {
                    return ready;
                }

                reader.AdvanceTo(ready.Buffer.Start);
            }

            if (await WaitAsync(reader, cancellationToken) is { } read)
            {
                return read;
            }
        }
    }

    /// <summary>Null when somebody ended an earlier read just after it had ended by itself.</summary>
    private async ValueTask<ReadResult?> WaitAsync(PipeReader reader, CancellationToken cancellationToken)
    {
        if (_waited >= PartLimit)
        {
            throw TooSlow();
        }

        // One for all waits: a body comes in pieces of 4 KB, and most of them are waited for.
        _limit ??= new CancellationTokenSource(Timeout.InfiniteTimeSpan, time);
        // Before the limit begins: what fires meanwhile would be lost, and a read must be ended properly, or the web server cannot take in the rest.
        await using var slow = _limit.Token.UnsafeRegister(static read => ((PipeReader)read!).CancelPendingRead(), reader);
        await using var left = cancellationToken.UnsafeRegister(static read => ((PipeReader)read!).CancelPendingRead(), reader);
        var before = time.GetTimestamp();
        _limit.CancelAfter(PartLimit - _waited);
        var read = await reader.ReadAsync(CancellationToken.None);
        _limit.CancelAfter(Timeout.InfiniteTimeSpan);
        _waited += time.GetElapsedTime(before);
        if (!read.IsCanceled)
        {
            return read;
        }

        reader.AdvanceTo(read.Buffer.Start);
        cancellationToken.ThrowIfCancellationRequested();
        return _limit.IsCancellationRequested ? throw TooSlow() : null;
    }

    public void Dispose() => _limit?.Dispose();

    /// <summary>So many bytes were taken from the reader.</summary>
    public void Took(long bytes)
    {
        _bytes += bytes;
        if (_bytes >= PartBytes)
        {
            _bytes = 0;
            _waited = TimeSpan.Zero;
        }
    }

    private static BadHttpRequestException TooSlow() => new("The request body comes too slowly.", StatusCodes.Status408RequestTimeout);
}
