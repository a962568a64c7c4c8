using System.IO.Pipelines;
using Microsoft.AspNetCore.Http;

namespace Dormouse.Server.Gateway;

/// <summary>
/// Refuses a caller who sends more slowly than 240 bytes a second. Only time spent waiting for the caller counts, and what came fast before earns no
/// credit: Kestrel's own limit is an average, so after a megabyte at once it lets a caller hold a slot for an hour.
/// </summary>
internal sealed class BodyPace(TimeProvider time)
{
    /// <summary>Each part of this size must come…</summary>
    private const int PartBytes = 1200;

    /// <summary>…within this time.</summary>
    private static readonly TimeSpan PartLimit = TimeSpan.FromSeconds(5);

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

        using var limit = new CancellationTokenSource(PartLimit - _waited, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancellationToken);
        var before = time.GetTimestamp();
        try
        {
            var read = await reader.ReadAsync(either.Token);
            _waited += time.GetElapsedTime(before);
            return read;
        }
        catch (OperationCanceledException) when (limit.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
        {
            throw TooSlow();
        }
    }

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
