using System.Collections.Immutable;
using Dormouse.Core.Environments;
using Microsoft.Extensions.Logging;

namespace Dormouse.Server.Environments;

/// <summary>One build, going on or ended.</summary>
internal sealed class EnvironmentRun(EnvironmentPlan plan)
{
    public EnvironmentPlan Plan { get; } = plan;

    public BuildLog Log { get; } = new();

    /// <summary>Never fails: a fault of the machine is an outcome too.</summary>
    public required Task<BuildOutcome> Outcome { get; init; }

    /// <summary>Why it failed, once it has.</summary>
    public BuildOutcome.Failed? Failure
    {
        get => Volatile.Read(ref field);
        set => Volatile.Write(ref field, value);
    }
}

/// <summary>
/// Builds environments, each once however many ask for it, and remembers how the last builds ended. A build goes on when whoever asked for it leaves; it ends with the server.
/// </summary>
internal sealed partial class EnvironmentBuilds(EnvironmentFolders folders, IEnvironmentBuilder builder, TimeProvider time, ILogger<EnvironmentBuilds> logger) : IAsyncDisposable
{
    /// <summary>Failed builds of which the log is kept.</summary>
    public const int FailedMax = 50;

    /// <summary>Lines of a failed build that are told with its reason.</summary>
    public const int TailLines = 12;

    private readonly Lock _guard = new();
    private readonly Dictionary<EnvironmentId, EnvironmentRun> _running = [];
    private readonly List<EnvironmentRun> _failed = [];
    private readonly CancellationTokenSource _stopping = new();

    /// <summary>A build that goes on, or the last one that failed.</summary>
    public EnvironmentRun? Find(EnvironmentId id)
    {
        lock (_guard)
        {
            return _running.GetValueOrDefault(id) ?? _failed.FindLast(r => r.Plan.Id == id);
        }
    }

    public ImmutableArray<EnvironmentRun> Running()
    {
        lock (_guard)
        {
            return [.. _running.Values];
        }
    }

    /// <summary>Null when it is whole already; else the build, which may have been begun by another.</summary>
    public EnvironmentRun? Begin(EnvironmentPlan plan)
    {
        lock (_guard)
        {
            if (_running.TryGetValue(plan.Id, out var running))
            {
                return running;
            }

            if (folders.IsReady(plan.Id))
            {
                folders.Touch(plan.Id);
                return null;
            }

            var outcome = new TaskCompletionSource<BuildOutcome>(TaskCreationOptions.RunContinuationsAsynchronously);
            var run = new EnvironmentRun(plan) { Outcome = outcome.Task };
            _running.Add(plan.Id, run);
            _ = BuildAsync(run, outcome);
            return run;
        }
    }

    /// <summary>Null when it is whole now, else why it could not be built.</summary>
    public async Task<BuildOutcome.Failed?> EnsureAsync(EnvironmentPlan plan, CancellationToken cancellationToken) =>
        Begin(plan) is { } run ? await run.Outcome.WaitAsync(cancellationToken) as BuildOutcome.Failed : null;

    /// <summary>Removes one that nobody uses. False while it is being built.</summary>
    public bool TryDelete(EnvironmentId id)
    {
        lock (_guard)
        {
            if (_running.ContainsKey(id))
            {
                return false;
            }

            folders.Delete(id);
            return true;
        }
    }

    /// <summary>Ends what is being built. Idempotent.</summary>
    public async ValueTask DisposeAsync()
    {
        if (_stopping.IsCancellationRequested)
        {
            return;
        }

        await _stopping.CancelAsync();
        await Task.WhenAll(Running().Select(r => r.Outcome));
        _stopping.Dispose();
    }

    /// <summary>The reason with the last lines, which say what pip or uv were not content with.</summary>
    private static string Told(string reason, ImmutableArray<string> lines) =>
        lines.IsEmpty ? reason : $"{reason}\n{string.Join('\n', lines.TakeLast(TailLines).Select(l => "  " + l))}";

    private async Task BuildAsync(EnvironmentRun run, TaskCompletionSource<BuildOutcome> done)
    {
        // The caller holds the lock.
        await Task.Yield();
        BuildOutcome outcome;
        try
        {
            outcome = await BuildAsync(run);
        }
        catch (OperationCanceledException) when (_stopping.IsCancellationRequested)
        {
            outcome = new BuildOutcome.Failed("The server is stopping.", IsFault: true);
        }
        catch (Exception e)
        {
            // The top of the build: a full disk, a folder that cannot be written.
            LogFault(e, run.Plan.Id);
            outcome = new BuildOutcome.Failed("The environment's folder could not be written; the server's log has the cause.", IsFault: true);
        }

        run.Failure = outcome as BuildOutcome.Failed;
        run.Log.Close();
        lock (_guard)
        {
            _running.Remove(run.Plan.Id);
            _failed.RemoveAll(r => r.Plan.Id == run.Plan.Id);
            if (outcome is BuildOutcome.Failed)
            {
                _failed.Add(run);
                if (_failed.Count > FailedMax)
                {
                    _failed.RemoveAt(0);
                }
            }
        }

        done.SetResult(outcome);
    }

    private async Task<BuildOutcome> BuildAsync(EnvironmentRun run)
    {
        var plan = run.Plan;
        var began = time.GetTimestamp();
        LogBuilding(plan.Id, plan.Python);
        folders.Prepare(plan);
        var outcome = await builder.BuildAsync(
            new EnvironmentBuild { Folder = folders.PathOf(plan.Id), PackageFolder = plan.PackageFolder, Python = plan.Python, SystemPackages = plan.SystemPackages },
            run.Log.Add, _stopping.Token);
        var seconds = time.GetElapsedTime(began).TotalSeconds;
        switch (outcome)
        {
            case BuildOutcome.Built built:
                folders.Complete(
                    plan.Id,
                    new BuiltEnvironment(built.Python, plan.SystemPackages, built.Builder, plan.Text.Lines, built.Packages, built.SizeBytes, time.GetUtcNow(), seconds), run.Log.Lines());
                LogBuilt(plan.Id, built.Packages.Length, built.SizeBytes >> 20, seconds);
                return built;

            case BuildOutcome.Failed failed:
                folders.Delete(plan.Id);
                LogFailed(plan.Id, failed.Reason);
                return failed with { Reason = Told(failed.Reason, run.Log.Lines()) };

            default:
                throw new InvalidOperationException("A build succeeds or fails.");
        }
    }

    [LoggerMessage(EventId = 4401, EventName = "EnvironmentBuilding", Level = LogLevel.Information, Message = "Building environment {Environment} for Python {Python}")]
    private partial void LogBuilding(EnvironmentId environment, string python);

    [LoggerMessage(EventId = 4402, EventName = "EnvironmentBuilt", Level = LogLevel.Information, Message = "Environment {Environment} is built: {Packages} packages, {Mebibytes} MiB, {Seconds:0.0} s")]
    private partial void LogBuilt(EnvironmentId environment, int packages, long mebibytes, double seconds);

    [LoggerMessage(EventId = 4403, EventName = "EnvironmentFailed", Level = LogLevel.Information, Message = "Environment {Environment} could not be built: {Reason}; the deploy that wanted it is refused")]
    private partial void LogFailed(EnvironmentId environment, string reason);

    [LoggerMessage(EventId = 4404, EventName = "EnvironmentFault", Level = LogLevel.Error, Message = "Environment {Environment} could not be built for a reason of this machine")]
    private partial void LogFault(Exception fault, EnvironmentId environment);
}
