using Dormouse.Core.Environments;
using Dormouse.Server.Hosting.Settings;
using Dormouse.Server.Routing;
using Microsoft.Extensions.Logging;

namespace Dormouse.Server.Environments;

/// <summary>
/// Every few minutes gives up the ready workers of environments that no revision with traffic uses; every hour removes environments that no revision has used for a while, and what broken-off builds left.
/// </summary>
internal sealed partial class EnvironmentSweeper(
    EnvironmentFolders folders, EnvironmentBuilds builds, EnvironmentsOfRevisions revisions, IEnvironmentBuilder builder, RoutingTable routing, EnvironmentsSettings settings, TimeProvider time,
    ILogger<EnvironmentSweeper> logger) : IAsyncDisposable
{
    public static readonly TimeSpan Interval = TimeSpan.FromMinutes(5);

    private const int IntervalsToSweep = 12;

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

    /// <summary>Workers of environments that carry no traffic are not kept ready.</summary>
    public void KeepReady() => builder.KeepReady([
        .. routing.Routes().Where(r => !r.Endpoint.IsUnloaded).SelectMany(r => r.Revisions).Select(r => r.Spec.PythonEnvironment).OfType<EnvironmentId>(),
    ]);

    /// <summary>Removes what nobody has used for the time that settings say; returns how many.</summary>
    public async Task<int> SweepAsync(CancellationToken cancellationToken)
    {
        var all = folders.All();
        if (all.IsEmpty)
        {
            return 0;
        }

        folders.Clean();
        var used = (await revisions.UsersAsync(cancellationToken)).Select(u => u.Environment).ToHashSet();
        var removed = 0;
        foreach (var id in all)
        {
            if (used.Contains(id))
            {
                folders.Touch(id);
            }
            else if (folders.LastUsed(id) is var last && (last is null || time.GetUtcNow() - last > settings.Keep) && builds.TryDelete(id))
            {
                removed++;
                LogRemoved(id);
            }
        }

        return removed;
    }

    private async Task RunAsync(CancellationToken cancellationToken)
    {
        // Off the caller's thread, who holds the lock.
        await Task.Yield();
        using var timer = new PeriodicTimer(Interval, time);
        try
        {
            for (var rounds = 1; await timer.WaitForNextTickAsync(cancellationToken); rounds++)
            {
                await RoundAsync(isSweep: rounds % IntervalsToSweep == 0, cancellationToken);
            }
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            // The server stops.
        }
    }

    private async Task RoundAsync(bool isSweep, CancellationToken cancellationToken)
    {
        try
        {
            KeepReady();
            if (isSweep)
            {
                await SweepAsync(cancellationToken);
            }
        }
        catch (Exception e) when (!cancellationToken.IsCancellationRequested)
        {
            // The top of the loop: the next round may go better.
            LogFailed(e);
        }
    }

    [LoggerMessage(EventId = 4405, EventName = "EnvironmentRemoved", Level = LogLevel.Information, Message = "Environment {Environment} is removed: no revision uses it")]
    private partial void LogRemoved(EnvironmentId environment);

    [LoggerMessage(EventId = 4406, EventName = "EnvironmentSweepFailed", Level = LogLevel.Warning, Message = "Unused environments could not be removed; they take disk space until the next try in an hour")]
    private partial void LogFailed(Exception exception);
}
