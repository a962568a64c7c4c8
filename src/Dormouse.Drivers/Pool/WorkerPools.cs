using System.Collections.Immutable;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Environments;
using Dormouse.Drivers.Launching;
using Dormouse.Drivers.Python;
using Dormouse.Protocol.Launching;
using Microsoft.Extensions.Logging;

namespace Dormouse.Drivers.Pool;

/// <summary>
/// A pool for each kind of worker and each level of isolation, with a way to the network and without. That of ONNX workers at the default level is always kept full; any other from the moment on that a revision needs it, and one of Python workers, of which
/// there is a kind for each environment, until no revision with traffic does. Used from the driver's inbox only.
/// </summary>
internal sealed class WorkerPools : IDisposable
{
    private readonly ProcessDriverOptions _options;
    private readonly LevelPools _models;
    private readonly Func<Func<WorkerKind?>, LevelPools> _make;
    private readonly Action<PythonPlace, Action<PythonInterpreter>> _find;
    private readonly Dictionary<PythonPlace, PythonPool> _python = [];

    /// <param name="spawn">Starts a generic worker of a kind for an owner; null while there is no launcher.</param>
    /// <param name="find">Looks for an interpreter and tells, in the inbox.</param>
    public WorkerPools(
        ProcessDriverOptions options, Func<IWorkerOwner, WorkerLimits, WorkerKind, Worker?> spawn, Action<Worker> kill, Action<Action> post, Action<PythonPlace, Action<PythonInterpreter>> find,
        TimeProvider time, ILogger logger)
    {
        _options = options;
        _find = find;
        Isolation = new(options.Isolation);
        ModelKind = WorkerKind.Onnx(options);
        _make = kind => new(Isolation, placement => new(
            options, (owner, limits) => kind() is { } known ? spawn(owner, limits, Isolation.Place(known, placement, options)) : null, kill, post, time, logger)
        { Size = 0 });
        _models = _make(() => ModelKind);
    }

    /// <summary>Which level of isolation who gets. May be used outside the inbox.</summary>
    public Isolation Isolation { get; }

    public WorkerKind ModelKind { get; }

    /// <summary>Build of the last model worker that said hello; null before the first.</summary>
    public string? ModelBuild => _models.WorkerBuild;

    /// <summary>The server's own; null while it is being looked for.</summary>
    public PythonInterpreter? Interpreter => _python.GetValueOrDefault(PythonPlace.Own)?.Interpreter;

    /// <summary>The pool that a revision's instances are taken from.</summary>
    public WorkerPool Of(RevisionSpec spec)
    {
        var pool = PoolsOf(spec).Of(Isolation.PlacementOf(spec));
        pool.Size = _options.PoolSize;
        return pool;
    }

    /// <summary>Instances of this revision may be wanted soon: from now on workers of its kind are kept ready.</summary>
    public void Expect(RevisionSpec spec) => Of(spec);

    /// <summary>Pools of other environments than these are given up: their workers end when nobody has taken them.</summary>
    public void KeepReady(ImmutableHashSet<EnvironmentId> environments)
    {
        foreach (var pool in _python.Values.ToArray())
        {
            if (pool.Place.Environment is { } environment && !environments.Contains(environment) && pool.Workers.TryClose())
            {
                _python.Remove(pool.Place);
                pool.Dispose();
            }
        }
    }

    /// <summary>The environment in this folder is built anew: workers of it that nobody has taken end.</summary>
    public void GiveUp(string folder)
    {
        var name = Path.GetFileName(Path.TrimEndingDirectorySeparator(folder));
        foreach (var pool in _python.Values.Where(pool => pool.Place.Environment?.Value == name).ToArray())
        {
            if (!pool.Workers.TryClose())
                continue;
            _python.Remove(pool.Place);
            pool.Dispose();
        }
    }

    /// <summary>A launcher is there (again).</summary>
    /// <param name="sandbox">What it found about sandboxes.</param>
    public void Open(SandboxReport sandbox)
    {
        Isolation.Report = sandbox;
        _models.Of(new(Isolation.Default, HasNetwork: false)).Size = _options.PoolSize;
        _models.Open();
        foreach (var pool in _python.Values)
            pool.Workers.Open();
    }

    /// <summary>Answers every claim that waits.</summary>
    public void DenyAll(string reason)
    {
        _models.DenyAll(reason);
        foreach (var pool in _python.Values)
            pool.Workers.DenyAll(reason);
    }

    /// <summary>Hands out the kind of a Python's workers once it is known, or null and why there are none.</summary>
    public void WhenKnown(PythonPlace place, Action<WorkerKind?, string> told) => Python(place).WhenKnown(told);

    /// <summary>Begins to look for the server's own interpreter.</summary>
    public void FindOwn() => Python(PythonPlace.Own);

    public void Dispose()
    {
        _models.Dispose();
        foreach (var pool in _python.Values)
            pool.Dispose();
    }

    private LevelPools PoolsOf(RevisionSpec spec) => spec.Kind.RunsModels ? _models : Python(PythonPlace.Of(spec)).Workers;

    private PythonPool Python(PythonPlace place)
    {
        if (_python.TryGetValue(place, out var known))
            return known;
        var pool = new PythonPool(_options, place, _make);
        _python.Add(place, pool);
        _find(place, interpreter =>
        {
            pool.Found(interpreter);
            // One that is missing may come: it is looked for again when somebody wants it. The server's own is looked for once.
            if (interpreter is PythonInterpreter.Missing && place != PythonPlace.Own && _python.Remove(place))
                pool.Dispose();
        });
        return pool;
    }
}
