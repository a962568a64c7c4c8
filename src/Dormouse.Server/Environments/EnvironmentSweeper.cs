using Dormouse.Core.Environments;
using Dormouse.Server.Hosting;
using Dormouse.Server.Hosting.Settings;
using Dormouse.Server.Routing;
using Microsoft.Extensions.Logging;

namespace Dormouse.Server.Environments;

/// <summary>
/// Every few minutes gives up the ready workers of environments that no revision with traffic uses; every hour removes environments that no revision has used for a while, and what broken-off builds left.
/// </summary>
internal sealed partial class EnvironmentSweeper : IAsyncDisposable
{
    public static readonly TimeSpan Interval = TimeSpan.FromMinutes(5);

    private const int IntervalsToSweep = 12;

    private readonly EnvironmentFolders _folders;
    private readonly EnvironmentBuilds _builds;
    private readonly EnvironmentsOfRevisions _revisions;
    private readonly IEnvironmentBuilder _builder;
    private readonly RoutingTable _routing;
    private readonly EnvironmentsSettings _settings;
    private readonly TimeProvider _time;
    private readonly ILogger<EnvironmentSweeper> _logger;
    private readonly PeriodicWork _work;
    private int _rounds;

    public EnvironmentSweeper(
        EnvironmentFolders folders, EnvironmentBuilds builds, EnvironmentsOfRevisions revisions, IEnvironmentBuilder builder, RoutingTable routing, EnvironmentsSettings settings, TimeProvider time,
        ILogger<EnvironmentSweeper> logger)
    {
        (_folders, _builds, _revisions, _builder, _routing, _settings, _time, _logger) = (folders, builds, revisions, builder, routing, settings, time, logger);
        _work = new PeriodicWork(Interval, isDoneAtStart: false, RoundAsync, time);
    }

    public void Start() => _work.Start();

    public ValueTask DisposeAsync() => _work.DisposeAsync();

    /// <summary>Workers of environments that carry no traffic are not kept ready.</summary>
    public void KeepReady() => _builder.KeepReady([
        .. _routing.Routes().Where(r => !r.Endpoint.IsUnloaded).SelectMany(r => r.Revisions).Select(r => r.Spec.PythonEnvironment).OfType<EnvironmentId>(),
    ]);

    /// <summary>Removes what nobody has used for the time that settings say; returns how many.</summary>
    public async Task<int> SweepAsync(CancellationToken cancellationToken)
    {
        var all = _folders.All();
        if (all.IsEmpty)
        {
            return 0;
        }

        _folders.Clean();
        var used = (await _revisions.UsersAsync(cancellationToken)).Select(u => u.Environment).ToHashSet();
        var removed = 0;
        foreach (var id in all)
        {
            if (used.Contains(id))
            {
                _folders.Touch(id);
            }
            else if (_folders.LastUsed(id) is var last && (last is null || _time.GetUtcNow() - last > _settings.Keep) && _builds.TryDelete(id))
            {
                removed++;
                LogRemoved(id);
            }
        }

        return removed;
    }

    private async Task RoundAsync(CancellationToken cancellationToken)
    {
        try
        {
            KeepReady();
            if (++_rounds % IntervalsToSweep == 0)
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
