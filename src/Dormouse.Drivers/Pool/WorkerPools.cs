using System.Collections.Immutable;
using Dormouse.Core.Endpoints;
using Dormouse.Drivers.Launching;
using Dormouse.Drivers.Python;
using Dormouse.Protocol.Launching;
using Microsoft.Extensions.Logging;

namespace Dormouse.Drivers.Pool;

/// <summary>
/// A pool for each kind of worker. That of ONNX workers is always kept full; one of Python workers from the moment on that a revision needs it. Which interpreter Python workers are started
/// with is known only once it was asked; until then whoever wants one waits. Used from the driver's inbox only.
/// </summary>
internal sealed class WorkerPools : IDisposable
{
    private readonly ProcessDriverOptions _options;
    private readonly WorkerPool _models;
    private readonly WorkerPool _python;
    private readonly List<Action<WorkerKind?, string>> _waiting = [];
    private PythonInterpreter? _interpreter;
    private WorkerKind? _pythonKind;

    /// <param name="spawn">Starts a generic worker of a kind for an owner; null while there is no launcher.</param>
    public WorkerPools(
        ProcessDriverOptions options, Func<IWorkerOwner, WorkerLimits, WorkerKind, Worker?> spawn, Action<Worker> kill, Action<Action> post, TimeProvider time, ILogger logger)
    {
        _options = options;
        ModelKind = WorkerKind.Onnx(options);
        _models = new(options, (owner, limits) => spawn(owner, limits, ModelKind), kill, post, time, logger);
        _python = new(options, (owner, limits) => _pythonKind is { } kind ? spawn(owner, limits, kind) : null, kill, post, time, logger) { Size = 0 };
    }

    public WorkerKind ModelKind { get; }

    /// <summary>Build of the last model worker that said hello; null before the first.</summary>
    public string? ModelBuild => _models.WorkerBuild;

    /// <summary>Null while it is being asked.</summary>
    public PythonInterpreter? Interpreter => _interpreter;

    /// <summary>The pool that a revision's instances are taken from.</summary>
    public WorkerPool Of(RevisionSpec spec)
    {
        if (spec.Kind.RunsModels)
            return _models;
        Expect(spec);
        return _python;
    }

    /// <summary>Instances of this revision may be wanted soon: from now on workers of its kind are kept ready.</summary>
    public void Expect(RevisionSpec spec)
    {
        if (!spec.Kind.RunsModels)
            _python.Size = _options.PoolSize;
    }

    /// <summary>A launcher is there (again).</summary>
    public void Open()
    {
        _models.Open();
        _python.Open();
    }

    /// <summary>Answers every claim that waits.</summary>
    public void DenyAll(string reason)
    {
        _models.DenyAll(reason);
        _python.DenyAll(reason);
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
            _pythonKind = new("python", [found.Path, "-m", "dormouse.runner"], PythonEnvironment(), HasModelEngine: false);
            _python.Refusal = null;
            _python.Open();
        }
        else if (interpreter is PythonInterpreter.Missing missing)
        {
            _python.Refusal = missing.Reason;
            _python.DenyAll(missing.Reason);
        }

        foreach (var told in _waiting.ToArray())
            WhenPythonIsKnown(told);
        _waiting.Clear();
    }

    public void Dispose()
    {
        _models.Dispose();
        _python.Dispose();
    }

    private ImmutableSortedDictionary<string, string> PythonEnvironment() => ProgramCommand.Inherited()
        .SetItem("PYTHONPATH", _options.PythonPackagePath ?? "")
        .SetItem("PYTHONUNBUFFERED", "1");
}
