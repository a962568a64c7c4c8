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
        if (reader.TryRead(out var ready))
        {
            return ready;
        }

        if (_waited >= PartLimit)
        {
            throw TooSlow();
        }

        // One for all waits: a body comes in pieces of 4 KB, and most of them are waited for.
        _limit ??= new CancellationTokenSource(Timeout.InfiniteTimeSpan, time);
        _limit.CancelAfter(PartLimit - _waited);
        var before = time.GetTimestamp();
        try
        {
            using var left = cancellationToken.UnsafeRegister(static limit => ((CancellationTokenSource)limit!).Cancel(), _limit);
            var read = await reader.ReadAsync(_limit.Token);
            _limit.CancelAfter(Timeout.InfiniteTimeSpan);
            _waited += time.GetElapsedTime(before);
            return read;
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            throw TooSlow();
        }
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
