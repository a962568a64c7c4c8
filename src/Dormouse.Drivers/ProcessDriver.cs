using System.Collections.Concurrent;
using System.Collections.Immutable;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Environments;
using Dormouse.Core.Instances;
using Dormouse.Core.Packages;
using Dormouse.Drivers.Inspecting;
using Dormouse.Drivers.Instances;
using Dormouse.Drivers.Launching;
using Dormouse.Drivers.Pool;
using Dormouse.Drivers.Python;
using Dormouse.Drivers.Snapshots;
using Dormouse.Drivers.Templates;
using Dormouse.Protocol.Launching;
using Microsoft.Extensions.Logging;

namespace Dormouse.Drivers;

/// <summary>
/// Instances as processes of this machine: a launcher starts and bounds them, a pool keeps generic ones ready, a start makes one of them an instance.
/// All state belongs to one inbox; a launcher that dies is replaced, and its instances are reported lost.
/// </summary>
public sealed partial class ProcessDriver : IInstanceDriver, IModelInspector
{
    /// <summary>How long instances may take that do something before they end: longer than the launcher leaves them alone.</summary>
    private static readonly TimeSpan EndTimeMax = TimeSpan.FromSeconds(8);

    private readonly ProcessDriverOptions _options;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly Inbox _inbox;
    private readonly Inspector _inspector;
    private readonly Inspector _builds;
    private readonly Interpreters _interpreters;
    private readonly LauncherSupervisor _supervisor;
    private readonly ConcurrentDictionary<InstanceId, int> _processes = new();
    private readonly Dictionary<InstanceId, InstanceRun> _runs = [];
    private readonly List<InstanceId> _unswept = [];
    /// <summary>None is left that does something before it ends; set after the driver was told to end.</summary>
    private readonly TaskCompletionSource _doneEnding = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource _opened = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly WorkerPools _pools;
    private readonly RevisionTemplates _templates;
    private readonly RevisionSnapshots _snapshots;
    private readonly PlacementTrials _trials;
    private readonly CancellationTokenSource _ending = new();
    private IInstanceObserver? _observer;
    private LauncherSession? _session;
    private long _workerNumbers;
    private Task? _working;
    private Task _finding = Task.CompletedTask;
    private ImmutableArray<ProbeResult> _probes = [];
    private volatile string? _engineKey;
    private volatile ProbeResult? _templatesWork;
    private volatile ProbeResult? _snapshotsWork;
    private bool _isDisposed;

    public ProcessDriver(ProcessDriverOptions options, TimeProvider time, ILogger<ProcessDriver> logger)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(logger);
        _options = options;
        _time = time;
        _logger = logger;
        _inbox = new(logger);
        _interpreters = new(options, time);
        _pools = new(options, (owner, limits, kind) => _session?.Spawn(owner, limits, kind), worker => _session?.Kill(worker), work => _inbox.Post(work), Find, time, logger);
        _snapshots = new(options, this, work => _inbox.Post(work), logger);
        _templates = new(options, this, _snapshots, work => _inbox.Post(work), logger);
        _trials = new(_pools.Isolation, BeginTrial, worker => _inbox.Post(() => _session?.Kill(worker)), time);
        _inspector = new(options, options.InspectionsAtOnceMax, _pools, _inbox, time);
        _builds = new(options, options.Builds.AtOnceMax, _pools, _inbox, time);
        Environments = new EnvironmentBuilder(options, _interpreters, _builds, _pools, _inbox);
        _supervisor = new(options, time, logger, Connected, (connection, happened) => _inbox.Post(() => Happened(connection, happened)), Disconnected, NotStarted);
    }

    public ImmutableArray<ProbeResult> Probes => _probes;

    public string? EngineKey => _engineKey;

    public string? Limits { get; private set; }

    /// <summary>The Python environments of this machine.</summary>
    public IEnvironmentBuilder Environments { get; }

    /// <exception cref="LauncherException">The launcher does not start; the message says why.</exception>
    public async Task OpenAsync(IInstanceObserver observer, CancellationToken cancellationToken)
    {
        if (_opened.Task.IsCompleted)
            throw new InvalidOperationException("The driver is open already.");
        _observer = observer;
        Directory.CreateDirectory(_options.RunFolder);
        SecretFolders.Sweep(_options.RunFolder);
        _working ??= _inbox.RunAsync();
        _inbox.Post(_pools.FindOwn);
        await _supervisor.OpenAsync(cancellationToken);
        await _opened.Task.WaitAsync(cancellationToken);
    }

    public void Start(InstanceStart start)
    {
        ArgumentNullException.ThrowIfNull(start);
        var startedAt = _time.GetTimestamp();
        _inbox.Post(() =>
        {
            var run = new InstanceRun(start, this, startedAt);
            _runs.Add(start.Instance, run);
            run.Begin();
        });
    }

    public void Stop(InstanceId instance, StopReason reason) => _inbox.Post(() =>
    {
        if (!_runs.TryGetValue(instance, out var run))
            return;
        LogStopping(instance, reason);
        run.Stop(reason);
    });

    public void Freeze(InstanceId instance, long turn) => _inbox.Post(() => _runs.GetValueOrDefault(instance)?.Freeze(turn));

    public void Thaw(InstanceId instance, long turn) => _inbox.Post(() => _runs.GetValueOrDefault(instance)?.Thaw(turn));

    public void Expect(RevisionSpec spec) => _inbox.Post(() => _pools.Expect(spec));

    public void Forget(EndpointId endpoint) => _inbox.Post(() =>
    {
        _templates.Forget(endpoint);
        _snapshots.Forget(endpoint);
    });

    public TemplateReport? Template(RevisionId revision) => _templates.Report(revision);

    public SnapshotReport? Snapshot(RevisionId revision) => _snapshots.Report(revision);

    public IsolationLevel IsolationOf(RevisionSpec spec) => _pools.Isolation.Of(spec);

    public string? IsolationRefusal(RevisionSpec spec) => _pools.Isolation.Refusal(_pools.Isolation.PlacementOf(spec));

    public Task<ProbeResult?> TryNetworkAsync(CancellationToken cancellationToken) => _trials.NetworkAsync(cancellationToken);

    public Task<ProbeResult?> TryContainerAsync(CancellationToken cancellationToken) => _trials.ContainerAsync(cancellationToken);

    /// <summary>Once it has worked it is not tried again.</summary>
    public async Task<ProbeResult?> TryTemplateAsync(CancellationToken cancellationToken)
    {
        if (_templatesWork is { } known)
            return known;
        var tried = await new TemplateTrial(_options, this, work => _inbox.Post(work)).RunAsync(cancellationToken);
        if (tried.Works)
            _templatesWork = tried;
        return tried;
    }

    /// <summary>Once it has worked it is not tried again.</summary>
    public async Task<ProbeResult?> TrySnapshotAsync(CancellationToken cancellationToken)
    {
        if (_snapshotsWork is { } known)
            return known;
        var tried = await new SnapshotTrial(_options, this, work => _inbox.Post(work)).RunAsync(cancellationToken);
        if (tried is { Works: true })
            _snapshotsWork = tried;
        return tried;
    }

    public Task<Inspection> InspectAsync(InspectionRequest request, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(request);
        return _inspector.InspectAsync(request, cancellationToken);
    }

    public long? MemoryBytes(InstanceId instance) =>
        _processes.TryGetValue(instance, out var processId) ? ProcessMemory.PrivateBytes(processId) : null;

    public int? ProcessId(InstanceId instance) => _processes.TryGetValue(instance, out var processId) ? processId : null;

    /// <summary>Ends every instance, waits until nothing of them is left, and says Gone for each.</summary>
    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _isDisposed, true))
            return;
        await _ending.CancelAsync();
        _inbox.Post(() =>
        {
            _inspector.EndAll();
            _builds.EndAll();
            foreach (var run in _runs.Values.ToArray())
                run.Stop(StopReason.ServerStopping);
            LookForEndings();
        });
        if (_working is not null)
            await EndingsAsync();
        // Forks end with their templates.
        _inbox.Post(_templates.EndAll);
        await _supervisor.DisposeAsync();
        _inbox.Post(() =>
        {
            _session?.Lost();
            _session = null;
            _inspector.EndAll();
            _builds.EndAll();
            foreach (var instance in _runs.Keys.ToArray())
                Forget(instance);
        });
        _inbox.Complete();
        if (_working is not null)
            await _working;
        await _finding;
        await _snapshots.Reading;
        _pools.Dispose();
        _templates.Dispose();
        _snapshots.Dispose();
        _interpreters.Dispose();
        _ending.Dispose();
        RemoveSockets();
    }

    private bool BeginTrial(PlacementTrial trial, Placement placement, Action<Worker> started) => _inbox.Post(() =>
    {
        if (_session?.Spawn(trial, new(_options.PoolMemoryBytes, 0, _options.ProcessesMax), Isolation.Place(_pools.ModelKind, placement, _options)) is { } worker)
            started(worker);
        else
            trial.NoLauncher();
    });

    private void Forget(InstanceId instance)
    {
        _processes.TryRemove(instance, out _);
        if (_runs.Remove(instance))
            _observer?.Gone(instance);
        if (_isDisposed)
            LookForEndings();
    }

    private async Task EndingsAsync()
    {
        try
        {
            await _doneEnding.Task.WaitAsync(EndTimeMax, _time);
        }
        catch (TimeoutException)
        {
            // The launcher kills what is left.
        }
    }

    private void LookForEndings()
    {
        if (!_runs.Values.Any(run => run.IsEndingByItself))
            _doneEnding.TrySetResult();
    }

    private void Swept()
    {
        foreach (var instance in _unswept)
            Forget(instance);
        _unswept.Clear();
    }

    private void Connected(LauncherConnection connection) => _inbox.Post(() =>
        _session = new(_options, connection.Send, () => ++_workerNumbers) { Connection = connection });

    private void Happened(LauncherConnection connection, LauncherEvent happened)
    {
        if (_session is not { } session || session.Connection != connection)
            return;
        if (happened is LauncherHello hello)
        {
            session.Hello = hello;
            Limits = ProcessProbes.Limits(hello);
            LogConnected(hello.ProcessId, hello.Build, hello.Cgroups);
            Swept();
            _pools.Open(hello.Sandbox);
            LogIsolation(hello.Sandbox);
            _inspector.Open(session);
            _builds.Open(session);
        }
        else
        {
            session.Handle(happened);
        }

        _engineKey = session.EngineKey ?? _engineKey;
        if (happened is LauncherHello or WorkerSaid { Message: WorkerHello })
            Probe();
        if (happened is LauncherHello)
            _opened.TrySetResult();
    }

    private void Disconnected() => _inbox.Post(() =>
    {
        if (_session is not { } session)
            return;
        _session = null;
        _inspector.Close();
        _builds.Close();
        _pools.DenyAll("The launcher ended; it is being replaced.");
        session.Lost();
        Probe();
    });

    private void NotStarted(string reason) => _inbox.Post(() =>
    {
        // What an earlier launcher left cannot be swept now; nobody is helped by waiting for it.
        Swept();
        _pools.DenyAll(reason);
        _inspector.DenyAll(reason);
        _builds.DenyAll(reason);
    });

    private void Probe() => _probes = ProcessProbes.From(_session?.Hello, _pools.ModelBuild, _pools.Interpreter, _pools.Isolation);

    /// <summary>That instances are less isolated than they could be is for somebody to know who never asks.</summary>
    private void LogIsolation(SandboxReport sandbox)
    {
        if (!sandbox.Works && _options.Isolation is not IsolationLevel.Process)
            LogNoSandbox(sandbox.Reason ?? "");
    }

    /// <summary>Looks for an interpreter beside everything else: only those wait who want it. In the inbox.</summary>
    private void Find(PythonPlace place, Action<PythonInterpreter> told) => _finding = Task.WhenAll(_finding, FindAsync(place, told));

    private async Task FindAsync(PythonPlace place, Action<PythonInterpreter> told)
    {
        // The caller is in the middle of noting that it waits.
        await Task.Yield();
        PythonInterpreter found;
        try
        {
            found = await _interpreters.FindAsync(place, _ending.Token);
        }
        catch (OperationCanceledException) when (_ending.IsCancellationRequested)
        {
            found = new PythonInterpreter.Missing("The server is stopping.");
        }

        _inbox.Post(() =>
        {
            told(found);
            Probe();
        });
    }

    private void RemoveSockets()
    {
        if (!Directory.Exists(_options.RunFolder))
            return;
        foreach (var socket in Directory.EnumerateFiles(_options.RunFolder, "*.sock"))
            File.Delete(socket);
    }

    [LoggerMessage(EventId = 3030, EventName = "LauncherConnected", Level = LogLevel.Information, Message = "Launcher {ProcessId} ({Build}) is ready, cgroups: {Cgroups}")]
    private partial void LogConnected(int processId, string build, string cgroups);

    [LoggerMessage(EventId = 3033, EventName = "NoSandbox", Level = LogLevel.Warning,
        Message = "Instances are not sandboxed, they run as plain processes of this user: {Reason}")]
    private partial void LogNoSandbox(string reason);

    [LoggerMessage(EventId = 3031, EventName = "InstanceStopping", Level = LogLevel.Debug, Message = "Stopping instance {Instance}: {Reason}")]
    private partial void LogStopping(InstanceId instance, StopReason reason);

    [LoggerMessage(EventId = 3032, EventName = "OptimisedFileUnknown", Level = LogLevel.Warning,
        Message = "The optimised file of instance {Instance} could not be looked up; the original is loaded")]
    private partial void LogOptimisedUnknown(InstanceId instance, Exception exception);
}
