using System.Collections.Immutable;
using Dormouse.Core.Endpoints;
using Dormouse.Drivers.Launching;
using Dormouse.Drivers.Python;
using Dormouse.Protocol.Launching;
using Microsoft.Extensions.Logging;

namespace Dormouse.Drivers.Pool;

/// <summary>
/// A pool for each kind of worker and each level of isolation. That of ONNX workers at the default level is always kept full; any other from the moment on that a revision needs it. Which interpreter Python workers are started
/// with is known only once it was asked; until then whoever wants one waits. Used from the driver's inbox only.
/// </summary>
internal sealed class WorkerPools : IDisposable
{
    private readonly ProcessDriverOptions _options;
    private readonly Func<IWorkerOwner, WorkerLimits, WorkerKind, Worker?> _spawn;
    private readonly Func<IsolationLevel, Func<WorkerKind?>, WorkerPool> _make;
    private readonly Dictionary<(bool RunsModels, IsolationLevel Level), WorkerPool> _pools = [];
    private readonly List<Action<WorkerKind?, string>> _waiting = [];
    private PythonInterpreter? _interpreter;
    private WorkerKind? _pythonKind;

    /// <param name="spawn">Starts a generic worker of a kind for an owner; null while there is no launcher.</param>
    public WorkerPools(
        ProcessDriverOptions options, Func<IWorkerOwner, WorkerLimits, WorkerKind, Worker?> spawn, Action<Worker> kill, Action<Action> post, TimeProvider time, ILogger logger)
    {
        _options = options;
        _spawn = spawn;
        Isolation = new(options.Isolation);
        ModelKind = WorkerKind.Onnx(options);
        _make = (level, kind) => new(options, (owner, limits) => Spawn(owner, limits, kind(), level), kill, post, time, logger) { Size = 0 };
    }

    /// <summary>Which level of isolation who gets. May be used outside the inbox.</summary>
    public Isolation Isolation { get; }

    public WorkerKind ModelKind { get; }

    /// <summary>Build of the last model worker that said hello; null before the first.</summary>
    public string? ModelBuild => _pools.Where(pool => pool.Key.RunsModels).Select(pool => pool.Value.WorkerBuild).FirstOrDefault(build => build is not null);

    /// <summary>Null while it is being asked.</summary>
    public PythonInterpreter? Interpreter => _interpreter;

    /// <summary>The pool that a revision's instances are taken from.</summary>
    public WorkerPool Of(RevisionSpec spec)
    {
        Expect(spec);
        return Pool(spec.Kind.RunsModels, Isolation.Of(spec));
    }

    /// <summary>Instances of this revision may be wanted soon: from now on workers of its kind are kept ready.</summary>
    public void Expect(RevisionSpec spec) => Pool(spec.Kind.RunsModels, Isolation.Of(spec)).Size = _options.PoolSize;

    /// <summary>A launcher is there (again).</summary>
    /// <param name="sandbox">What it found about sandboxes.</param>
    public void Open(SandboxReport sandbox)
    {
        Isolation.Report = sandbox;
        foreach (var ((runsModels, level), pool) in _pools)
            pool.Refusal = RefusalOf(runsModels, level);
        Pool(runsModels: true, Isolation.Default).Size = _options.PoolSize;
        foreach (var pool in _pools.Values)
            pool.Open();
    }

    /// <summary>Answers every claim that waits.</summary>
    public void DenyAll(string reason)
    {
        foreach (var pool in _pools.Values)
            pool.DenyAll(reason);
    }

    /// <summary>Hands out the kind of Python workers once it is known, or null and why there are none.</summary>
    public void WhenPythonIsKnown(Action<WorkerKind?, string> told)
    {
        if (_interpreter is null)
            _waiting.Add(told);
        else
            told(_pythonKind, (_interpreter as PythonInterpreter.Missing)?.Reason ?? "");
    }

    /// <summary>It is known now.</summary>
    public void Found(PythonInterpreter interpreter)
    {
        _interpreter = interpreter;
        if (interpreter is PythonInterpreter.Found found)
        {
            _pythonKind = new("python", [found.Path, "-m", "dormouse.runner"], PythonEnvironment(), HasModelEngine: false, [.. found.Folders, .. PackageFolder()]);
        }

        foreach (var ((runsModels, level), pool) in _pools)
        {
            if (runsModels)
                continue;
            pool.Refusal = RefusalOf(runsModels, level);
            if (pool.Refusal is { } refusal)
                pool.DenyAll(refusal);
            else
                pool.Open();
        }

        foreach (var told in _waiting.ToArray())
            WhenPythonIsKnown(told);
        _waiting.Clear();
    }

    public void Dispose()
    {
        foreach (var pool in _pools.Values)
            pool.Dispose();
    }

    private WorkerPool Pool(bool runsModels, IsolationLevel level)
    {
        if (!_pools.TryGetValue((runsModels, level), out var pool))
        {
            pool = _make(level, () => runsModels ? ModelKind : _pythonKind);
            pool.Refusal = RefusalOf(runsModels, level);
            _pools.Add((runsModels, level), pool);
        }

        return pool;
    }

    private string? RefusalOf(bool runsModels, IsolationLevel level) =>
        Isolation.Refusal(level) ?? (runsModels ? null : (_interpreter as PythonInterpreter.Missing)?.Reason);

    private Worker? Spawn(IWorkerOwner owner, WorkerLimits limits, WorkerKind? kind, IsolationLevel level) =>
        kind is null ? null : _spawn(owner, limits, Isolation.Place(kind, level, _options));

    private ImmutableArray<string> PackageFolder() => _options.PythonPackagePath is { } path ? [Path.GetFullPath(path)] : [];

    private ImmutableSortedDictionary<string, string> PythonEnvironment() => ProgramCommand.Inherited()
        .SetItem("PYTHONPATH", _options.PythonPackagePath ?? "")
        .SetItem("PYTHONUNBUFFERED", "1");
}
