using System.Globalization;
using System.IO.Pipelines;
using Microsoft.AspNetCore.Http;

namespace Dormouse.Server.Gateway;

/// <summary>
/// Refuses a caller who sends more slowly than 240 bytes a second. Only time spent waiting for the caller counts, and what came fast before earns no
/// credit: Kestrel's own limit is an average, so after a megabyte at once it lets a caller hold a slot for an hour. Whoever holds a slot while it sends is also bounded in all.
/// </summary>
internal sealed class BodyPace(TimeProvider time) : IDisposable
{
    /// <summary>Each part of this size must come…</summary>
    private const int PartBytes = 1200;

    /// <summary>…within this time.</summary>
    private static readonly TimeSpan PartLimit = TimeSpan.FromSeconds(5);

    /// <summary>How long a caller with a slot is waited for in all, unless the run itself may take longer.</summary>
    private static readonly TimeSpan SlotLimit = TimeSpan.FromMinutes(5);

    private CancellationTokenSource? _limit;
    private TimeSpan? _slotLimit;
    private TimeSpan _slotWaited;
    private long _bytes;
    private TimeSpan _waited;

    /// <summary>A slot is held from now on, for a run of so much time.</summary>
    public void HoldsSlot(TimeSpan runLimit) => _slotLimit ??= runLimit > SlotLimit ? runLimit : SlotLimit;

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
        if (Left() is var limit && limit <= TimeSpan.Zero)
        {
            throw TooSlow();
        }

        // One for all waits: a body comes in pieces of 4 KB, and most of them are waited for.
        _limit ??= new CancellationTokenSource(Timeout.InfiniteTimeSpan, time);
        // Before the limit begins: what fires meanwhile would be lost, and a read must be ended properly, or the web server cannot take in the rest.
        await using var slow = _limit.Token.UnsafeRegister(static read => ((PipeReader)read!).CancelPendingRead(), reader);
        await using var left = cancellationToken.UnsafeRegister(static read => ((PipeReader)read!).CancelPendingRead(), reader);
        var before = time.GetTimestamp();
        _limit.CancelAfter(limit);
        var read = await reader.ReadAsync(CancellationToken.None);
        _limit.CancelAfter(Timeout.InfiniteTimeSpan);
        var waited = time.GetElapsedTime(before);
        _waited += waited;
        _slotWaited += _slotLimit is null ? TimeSpan.Zero : waited;
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

    /// <summary>How long the caller may still be waited for.</summary>
    private TimeSpan Left()
    {
        var part = PartLimit - _waited;
        return _slotLimit - _slotWaited is { } slot && slot < part ? slot : part;
    }

    private BodyTooSlowException TooSlow() => new(
        _slotWaited >= _slotLimit
            ? string.Create(CultureInfo.InvariantCulture, $"The rest of the request body was waited for for {_slotLimit.Value.TotalSeconds:0.#} s in all while its slot was held. Send it again over a faster connection, or let the owner raise the endpoint's timeout.")
            : "The request body came more slowly than 240 bytes a second. Send it again over a faster connection.");
}

/// <summary>A caller sends too slowly; the message is for him.</summary>
internal sealed class BodyTooSlowException(string message) : BadHttpRequestException(message, StatusCodes.Status408RequestTimeout);
