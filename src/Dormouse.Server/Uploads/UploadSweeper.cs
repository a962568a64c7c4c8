using Dormouse.Core.Packages;
using Dormouse.Server.Hosting;
using Dormouse.Server.Hosting.Settings;
using Microsoft.Extensions.Logging;

namespace Dormouse.Server.Uploads;

/// <summary>Removes half-written uploads and files that nothing refers to: once at start, then every hour.</summary>
internal sealed partial class UploadSweeper : IAsyncDisposable
{
    private static readonly TimeSpan Interval = TimeSpan.FromHours(1);

    private readonly IBlobStore _blobs;
    private readonly UploadsSettings _settings;
    private readonly TimeProvider _time;
    private readonly ILogger<UploadSweeper> _logger;
    private readonly PeriodicWork _work;

    public UploadSweeper(IBlobStore blobs, UploadsSettings settings, TimeProvider time, ILogger<UploadSweeper> logger)
    {
        (_blobs, _settings, _time, _logger) = (blobs, settings, time, logger);
        _work = new PeriodicWork(Interval, isDoneAtStart: true, SweepAsync, time);
    }

    public void Start() => _work.Start();

    public ValueTask DisposeAsync() => _work.DisposeAsync();

    private async Task SweepAsync(CancellationToken cancellationToken)
    {
        try
        {
            var freed = await _blobs.SweepAsync(_time.GetUtcNow() - _settings.Keep, cancellationToken);
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
