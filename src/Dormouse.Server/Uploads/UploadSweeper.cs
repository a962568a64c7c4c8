using Dormouse.Core.Packages;
using Dormouse.Server.Hosting.Settings;
using Microsoft.Extensions.Logging;

namespace Dormouse.Server.Uploads;

/// <summary>Removes half-written uploads and files that nothing refers to: once at start, then every hour.</summary>
internal sealed partial class UploadSweeper(IBlobStore blobs, UploadsSettings settings, TimeProvider time, ILogger<UploadSweeper> logger) : IAsyncDisposable
{
    private static readonly TimeSpan Interval = TimeSpan.FromHours(1);

    private readonly CancellationTokenSource _stopping = new();
    private readonly Lock _life = new();
    private Task _running = Task.CompletedTask;
    private bool _isStopped;

    /// <summary>Does nothing once it was disposed: a server may be stopped while it still comes up.</summary>
    public void Start()
    {
        lock (_life)
        {
            if (!_isStopped)
            {
                _running = RunAsync(_stopping.Token);
            }
        }
    }

    public async ValueTask DisposeAsync()
    {
        lock (_life)
        {
            if (_isStopped)
            {
                return;
            }

            _isStopped = true;
        }

        await _stopping.CancelAsync();
        await _running;
        _stopping.Dispose();
    }

    private async Task RunAsync(CancellationToken cancellationToken)
    {
        // Off the caller's thread, who holds the lock.
        await Task.Yield();
        using var timer = new PeriodicTimer(Interval, time);
        try
        {
            do
            {
                await SweepAsync(cancellationToken);
            }
            while (await timer.WaitForNextTickAsync(cancellationToken));
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            // The server stops.
        }
    }

    private async Task SweepAsync(CancellationToken cancellationToken)
    {
        try
        {
            var freed = await blobs.SweepAsync(time.GetUtcNow() - settings.Keep, cancellationToken);
            if (freed > 0)
            {
                LogSwept(freed);
            }
        }
        catch (Exception e) when (!cancellationToken.IsCancellationRequested)
        {
            // The top of the loop: the next hour may go better.
            LogFailed(e);
        }
    }

    [LoggerMessage(EventId = 4201, EventName = "UploadsSwept", Level = LogLevel.Information, Message = "Removed {Bytes} bytes of uploads that nothing refers to")]
    private partial void LogSwept(long bytes);

    [LoggerMessage(EventId = 4202, EventName = "SweepFailed", Level = LogLevel.Warning, Message = "Old uploads could not be removed; they take disk space until the next try in an hour")]
    private partial void LogFailed(Exception exception);
}
