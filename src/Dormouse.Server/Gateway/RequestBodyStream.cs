using Dormouse.Server.Errors;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Http;

namespace Dormouse.Server.Gateway;

/// <summary>A request body as it is sent on: what is kept, then what was spooled, then what is still to come from the caller.</summary>
/// <param name="rest">Null when everything has been read.</param>
/// <param name="deadline">Stands still while the rest is waited for; null when there is none.</param>
internal sealed class RequestBodyStream(ReadOnlyMemory<byte> kept, SpoolFile? spool, RequestBody? rest, RunDeadline? deadline) : ForwardOnlyStream
{
    /// <summary>What the spool held when it was opened; what comes from the caller may be added to it meanwhile.</summary>
    private readonly long _spoolBytes = spool?.Length ?? 0;

    private int _keptRead;
    private long _spoolRead;

    /// <summary>Why the caller's part could not be read.</summary>
    public Exception? Fault { get; private set; }

    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        if (_keptRead < kept.Length)
        {
            var part = kept.Slice(_keptRead, Math.Min(buffer.Length, kept.Length - _keptRead));
            part.CopyTo(buffer);
            _keptRead += part.Length;
            return part.Length;
        }

        if (spool is not null && _spoolRead < _spoolBytes)
        {
            var count = await spool.ReadAsync(buffer[..(int)Math.Min(buffer.Length, _spoolBytes - _spoolRead)], _spoolRead, cancellationToken);
            _spoolRead += count;
            return count;
        }

        if (rest is null)
        {
            return 0;
        }

        try
        {
            var reading = rest.ReadRestAsync(buffer, cancellationToken);
            return reading.IsCompleted ? await reading : await WaitAsync(reading);
        }
        catch (Exception fault) when (fault is BadHttpRequestException or IOException)
        {
            if (fault is ConnectionResetException)
            {
                await CallerLeaving.WhenKnownAsync(rest.CallerLeft);
            }

            Fault = fault;
            throw;
        }
    }

    private async ValueTask<int> WaitAsync(ValueTask<int> reading)
    {
        deadline?.Pause();
        try
        {
            return await reading;
        }
        finally
        {
            deadline?.Resume();
        }
    }
}
