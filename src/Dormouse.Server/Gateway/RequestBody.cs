using System.Buffers;
using System.IO.Pipelines;
using Dormouse.Core;
using Dormouse.Protocol.Problems;
using Dormouse.Server.Errors;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;

namespace Dormouse.Server.Gateway;

/// <summary>
/// The body of one request. Up to 1 MiB it is read whole into one pooled buffer before a slot is asked for, and kept until the answer begins. Of a larger one
/// the first part is kept there, more is spooled to an unlinked file while no slot is free, and the rest is read from the caller when it is sent on.
/// </summary>
internal sealed class RequestBody : IAsyncDisposable
{
    /// <summary>Bodies up to this size are kept whole, bytes.</summary>
    public const int KeptBytesMax = 1 << 20;

    private readonly PipeReader _reader;
    private readonly long _limitBytes;
    private readonly BodyPace _pace;
    private byte[]? _kept;
    private int _keptBytes;
    private SpoolFile? _spool;
    private long _readBytes;
    private bool _isRead;
    private (string Folder, IIdSource Ids)? _copying;

    private RequestBody(PipeReader reader, long? declaredBytes, long limitBytes, BodyPace pace, CancellationToken callerLeft)
    {
        CallerLeft = callerLeft;
        _pace = pace;
        _reader = reader;
        _limitBytes = limitBytes;
        DeclaredBytes = declaredBytes;
    }

    /// <summary>Content-Length of the request; null when it is chunked.</summary>
    public long? DeclaredBytes { get; }

    /// <summary>Fires when the connection or stream that it comes over has ended.</summary>
    public CancellationToken CallerLeft { get; }

    /// <summary>Its length as far as it is known.</summary>
    public long KnownBytes => _isRead ? _readBytes : Math.Max(DeclaredBytes ?? 0, _readBytes);

    /// <summary>It is kept whole in memory and can be sent again.</summary>
    public bool IsKept => _isRead && _spool is null;

    /// <summary>Nothing of it is still to come: what is not in memory is in a file, and it can be sent again.</summary>
    public bool IsWhole => _isRead;

    /// <summary>Its first part; all of it when <see cref="IsKept"/>. Good until it is disposed.</summary>
    public ReadOnlyMemory<byte> Kept => _kept.AsMemory(0, _keptBytes);

    /// <summary>Set when reading it failed.</summary>
    public Problem? Problem { get; private set; }

    /// <summary>Reads up to <see cref="KeptBytesMax"/>. When it fails, <see cref="Problem"/> is set.</summary>
    /// <exception cref="OperationCanceledException">The caller left.</exception>
    public static async ValueTask<RequestBody> ReadAsync(HttpContext context, long limitBytes, TimeProvider time)
    {
        var request = context.Request;
        if (context.Features.Get<IHttpMaxRequestBodySizeFeature>() is { IsReadOnly: false } size)
        {
            // Counted here. Kestrel would end the connection at once, and a caller who still sends would see that instead of the answer; as it is,
            // it takes in the rest for up to 5 s after the answer.
            size.MaxRequestBodySize = null;
        }

        var body = new RequestBody(request.BodyReader, request.ContentLength, limitBytes, new BodyPace(time), context.RequestAborted);
        var canHaveBody = context.Features.Get<IHttpRequestBodyDetectionFeature>()?.CanHaveBody ?? true;
        if (!canHaveBody || request.ContentLength == 0)
        {
            body._isRead = true;
        }
        else if (request.ContentLength > limitBytes)
        {
            body.Problem = TooLarge(limitBytes);
        }
        else
        {
            await body.GuardAsync(body.KeepAsync, context.RequestAborted);
        }

        return body;
    }

    /// <summary>Spools what comes while <paramref name="grant"/> is awaited. False when reading failed: see <see cref="Problem"/>.</summary>
    public async ValueTask<bool> SpoolWhileAsync(Task grant, string folder, IIdSource ids, CancellationToken callerLeft)
    {
        if (!_isRead && !grant.IsCompleted && TrySpool(folder, ids) is { } spool)
        {
            await GuardAsync(() => SpoolAsync(grant, spool), callerLeft);
        }

        return Problem is null;
    }

    /// <summary>Spools all that is still to come, so that <see cref="IsWhole"/>. False when reading failed: see <see cref="Problem"/>.</summary>
    /// <param name="limit">For how long the caller is waited for in all, or 5 minutes where that is longer.</param>
    public async ValueTask<bool> SpoolRestAsync(TimeSpan limit, string folder, IIdSource ids, CancellationToken callerLeft)
    {
        if (!_isRead && TrySpool(folder, ids) is { } spool)
        {
            _pace.HoldsSlot(limit);
            await GuardAsync(() => SpoolRestAsync(spool), callerLeft);
        }

        return Problem is null;
    }

    /// <summary>The whole body from its start. Once only, unless <see cref="IsWhole"/>.</summary>
    /// <param name="deadline">Stands still while the rest is waited for; null when there is none.</param>
    public RequestBodyStream Open(RunDeadline? deadline)
    {
        if (deadline is not null)
        {
            _pace.HoldsSlot(deadline.Limit);
        }

        return new(_kept.AsMemory(0, _keptBytes), _spool, _isRead ? null : this, deadline);
    }

    /// <summary>From now on what is still to come is also written to a file while it is sent on, so that it <see cref="IsWhole"/> in the end, unless the file cannot be written.</summary>
    public void KeepRest(string folder, IIdSource ids) => _copying = (folder, ids);

    /// <summary>Hands over a body that is whole; this one is not used any more.</summary>
    public DetachedBody Detach()
    {
        var detached = new DetachedBody(_kept, _keptBytes, _spool);
        (_kept, _keptBytes, _spool) = (null, 0, null);
        return detached;
    }

    /// <summary>The rest that was never read, straight from the caller.</summary>
    public async ValueTask<int> ReadRestAsync(Memory<byte> destination, CancellationToken cancellationToken)
    {
        while (true)
        {
            var read = await _pace.ReadAsync(_reader, cancellationToken);
            var buffer = read.Buffer;
            if (buffer.IsEmpty && read.IsCompleted)
            {
                _reader.AdvanceTo(buffer.End);
                _isRead |= _copying is not null;
                return 0;
            }

            var taken = buffer.Slice(0, Math.Min(buffer.Length, destination.Length));
            taken.CopyTo(destination.Span);
            var count = (int)taken.Length;
            _reader.AdvanceTo(taken.End);
            _pace.Took(count);
            if (destination.IsEmpty && !buffer.IsEmpty)
            {
                // A read of no bytes asks to be told when there are some.
                return 0;
            }

            // A read that was cancelled when the slot came may end empty here.
            if (count > 0)
            {
                if (Count(count))
                {
                    await CopyAsync(destination[..count]);
                    return count;
                }

                Problem = TooLarge(_limitBytes);
                throw new BadHttpRequestException("Request body too large.", StatusCodes.Status413PayloadTooLarge);
            }
        }
    }

    public async ValueTask DisposeAsync()
    {
        _pace.Dispose();
        if (_kept is not null)
        {
            ArrayPool<byte>.Shared.Return(_kept);
            _kept = null;
        }

        if (_spool is not null)
        {
            await _spool.DisposeAsync();
        }
    }

    private static Problem TooLarge(long limitBytes) =>
        new(ProblemCode.BodyTooLarge, $"The request body is larger than the {limitBytes} bytes that this server takes. Send less, or let the operator raise server.body_limit.");

    /// <summary>Reads without the caller's token: the web server ends a read when the caller leaves, and one that is abandoned instead keeps it from taking in the rest.</summary>
    private async ValueTask GuardAsync(Func<ValueTask> read, CancellationToken callerLeft)
    {
        try
        {
            await read();
        }
        catch (BadHttpRequestException fault)
        {
            var (code, detail) = BadRequests.Describe(fault);
            Problem = code == ProblemCode.BodyTooLarge ? TooLarge(_limitBytes) : new Problem(code, detail);
        }
        catch (IOException) when (callerLeft.IsCancellationRequested)
        {
            throw new OperationCanceledException(callerLeft);
        }
        catch (ConnectionResetException)
        {
            await CallerLeaving.WhenKnownAsync(callerLeft);
            Problem = new Problem(ProblemCode.BodyIncomplete, "The connection ended before the whole request body had come. Send it again.");
        }
        catch (IOException) when (_spool is { HasFailed: true })
        {
            Problem = new Problem(
                ProblemCode.StorageFull,
                "The request body could not be kept while it waited for a slot: the disk of the server's temporary files is full. Try again when a slot is free, or when the operator has made room.");
        }
    }

    private async ValueTask KeepAsync()
    {
        var expected = (int)Math.Min(DeclaredBytes ?? 16 * 1024, KeptBytesMax);
        _kept = ArrayPool<byte>.Shared.Rent(expected);
        while (true)
        {
            var read = await _pace.ReadAsync(_reader, CancellationToken.None);
            var buffer = read.Buffer;
            var room = buffer.Slice(0, Math.Min(buffer.Length, KeptBytesMax - _keptBytes));
            Keep(room);
            // Lengths are taken first: after AdvanceTo the sequences point to segments that are used again.
            var (kept, isAllKept) = (room.Length, room.Length == buffer.Length);
            // What is not kept is not examined either: else the next read would wait for bytes behind it, which may never come.
            _reader.AdvanceTo(room.End);
            _pace.Took(kept);
            if (!Count(kept))
            {
                Problem = TooLarge(_limitBytes);
                return;
            }

            if (read.IsCompleted && isAllKept)
            {
                _isRead = true;
                return;
            }

            if (_keptBytes == KeptBytesMax && (DeclaredBytes > KeptBytesMax || !isAllKept))
            {
                return;
            }
        }
    }

    private void Keep(in ReadOnlySequence<byte> part)
    {
        var length = _keptBytes + (int)part.Length;
        if (length > _kept!.Length)
        {
            var larger = ArrayPool<byte>.Shared.Rent(Math.Max(length, Math.Min(KeptBytesMax, _kept.Length * 2)));
            _kept.AsSpan(0, _keptBytes).CopyTo(larger);
            ArrayPool<byte>.Shared.Return(_kept);
            _kept = larger;
        }

        part.CopyTo(_kept.AsSpan(_keptBytes));
        _keptBytes = length;
    }

    /// <summary>Null when no file can be made: then there is a problem.</summary>
    private SpoolFile? TrySpool(string folder, IIdSource ids)
    {
        try
        {
            return _spool ??= SpoolFile.Create(folder, ids);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            Problem = new Problem(
                ProblemCode.StorageFull,
                "The request body could not be kept while it waited for a slot: the server cannot make files in its folder for that. Try again when a slot is free, or let the operator look at server.spool_folder.");
            return null;
        }
    }

    private async ValueTask SpoolAsync(Task grant, SpoolFile spool)
    {
        while (!grant.IsCompleted)
        {
            var reading = _reader.ReadAsync(CancellationToken.None).AsTask();
            if (!reading.IsCompleted)
            {
                await Task.WhenAny(reading, grant);
            }

            if (!reading.IsCompleted)
            {
                _reader.CancelPendingRead();
            }

            await TakeAsync(await reading, spool);
            if (_isRead || Problem is not null)
            {
                return;
            }
        }
    }

    private async ValueTask SpoolRestAsync(SpoolFile spool)
    {
        while (!_isRead && Problem is null)
        {
            await TakeAsync(await _pace.ReadAsync(_reader, CancellationToken.None), spool);
        }
    }

    private async ValueTask TakeAsync(ReadResult read, SpoolFile spool)
    {
        var (buffer, count) = (read.Buffer, read.Buffer.Length);
        try
        {
            foreach (var segment in buffer)
            {
                await spool.WriteAsync(segment);
            }
        }
        finally
        {
            // Also when writing failed: in the middle of a read the server could not take in the rest, and the caller would see a broken connection instead of its answer.
            _reader.AdvanceTo(buffer.End);
        }

        _pace.Took(count);
        if (!Count(count))
        {
            Problem = TooLarge(_limitBytes);
        }
        else if (read.IsCompleted)
        {
            _isRead = true;
        }
    }

    /// <summary>Whoever waits for the answer does not hear of a file that cannot be written: there is no copy then.</summary>
    private async ValueTask CopyAsync(ReadOnlyMemory<byte> part)
    {
        if (_copying is not { } place)
        {
            return;
        }

        try
        {
            _spool ??= SpoolFile.Create(place.Folder, place.Ids);
            await _spool.WriteAsync(part);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            _copying = null;
        }
    }

    private bool Count(long bytes)
    {
        _readBytes += bytes;
        return _readBytes <= _limitBytes;
    }
}
