using Dormouse.Protocol.Launching;
using Microsoft.Extensions.Logging;

namespace Dormouse.Drivers.Launching;

/// <summary>Keeps one launcher running: replaces one that ends, at once the first time and more slowly each time after.</summary>
/// <param name="connected">A launcher can take commands.</param>
/// <param name="happened">It reports something.</param>
/// <param name="disconnected">It has ended, and with it all its workers.</param>
/// <param name="notStarted">A replacement did not start; another try follows.</param>
internal sealed partial class LauncherSupervisor(
    ProcessDriverOptions options,
    TimeProvider time,
    ILogger logger,
    Action<LauncherConnection> connected,
    Action<LauncherConnection, LauncherEvent> happened,
    Action disconnected,
    Action<string> notStarted) : IAsyncDisposable
{
    public static readonly TimeSpan FirstBackOff = TimeSpan.FromMilliseconds(100);
    public static readonly TimeSpan LongestBackOff = TimeSpan.FromSeconds(10);

    /// <summary>A launcher that lived this long was a good one: the next is started at once.</summary>
    public static readonly TimeSpan GoodLife = TimeSpan.FromSeconds(30);

    private readonly CancellationTokenSource _stopping = new();
    private Task? _running;

    /// <summary>Starts the first launcher and looks after it from then on.</summary>
    /// <exception cref="LauncherException">It does not start.</exception>
    public async Task OpenAsync(CancellationToken cancellationToken)
    {
        var first = await LauncherConnection.OpenAsync(options, time, logger, cancellationToken);
        _running = SuperviseAsync(first);
    }

    public async ValueTask DisposeAsync()
    {
        await _stopping.CancelAsync();
        if (_running is not null)
            await _running;
        _stopping.Dispose();
    }

    private async Task SuperviseAsync(LauncherConnection first)
    {
        var connection = first;
        var failures = 0;
        while (connection is not null)
        {
            var startedAt = time.GetTimestamp();
            connected(connection);
            // Off the caller's thread: events of the first launcher may come before the caller has gone on.
            await Task.Yield();
            await connection.RunAsync(happenedNow => happened(connection, happenedNow), _stopping.Token);
            await connection.DisposeAsync();
            if (_stopping.IsCancellationRequested)
                return;
            disconnected();
            failures = time.GetElapsedTime(startedAt) >= GoodLife ? 0 : failures + 1;
            LogLost(failures);
            connection = await ReplaceAsync(failures);
        }
    }

    /// <summary>The next launcher; null when the driver stops first.</summary>
    private async Task<LauncherConnection?> ReplaceAsync(int failures)
    {
        while (true)
        {
            try
            {
                if (failures > 1)
                    await Task.Delay(BackOff(failures), time, _stopping.Token);
                return await LauncherConnection.OpenAsync(options, time, logger, _stopping.Token);
            }
            catch (OperationCanceledException)
            {
                return null;
            }
            catch (LauncherException exception)
            {
                failures = Math.Max(failures + 1, 2);
                LogNotStarted(exception.Message, BackOff(failures));
                notStarted(exception.Message);
            }
        }
    }

    private static TimeSpan BackOff(int failures) =>
        TimeSpan.FromTicks(Math.Min(LongestBackOff.Ticks, FirstBackOff.Ticks << Math.Clamp(failures - 2, 0, 20)));

    [LoggerMessage(EventId = 3040, EventName = "LauncherLost", Level = LogLevel.Error,
        Message = "The launcher ended and took all instances along; it is replaced ({Failures} in a row)")]
    private partial void LogLost(int failures);

    [LoggerMessage(EventId = 3041, EventName = "LauncherNotStarted", Level = LogLevel.Error, Message = "No launcher: {Reason} Next try in {Wait}")]
    private partial void LogNotStarted(string reason, TimeSpan wait);
}
