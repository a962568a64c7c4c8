using Dormouse.Drivers.Launching;
using Dormouse.Drivers.Python;

namespace Dormouse.Drivers.Pool;

/// <summary>The workers of one Python: how they are started is known only once its interpreter was looked for; until then whoever wants one waits. Used from the driver's inbox only.</summary>
internal sealed class PythonPool : IDisposable
{
    private readonly ProcessDriverOptions _options;
    private readonly List<Action<WorkerKind?, string>> _waiting = [];

    /// <param name="pool">Makes the pool of what the function gives, which is nothing while it is unknown.</param>
    public PythonPool(ProcessDriverOptions options, PythonPlace place, Func<Func<WorkerKind?>, WorkerPool> pool)
    {
        _options = options;
        Place = place;
        Workers = pool(() => Kind);
        Workers.Size = 0;
    }

    public PythonPlace Place { get; }

    public WorkerPool Workers { get; }

    /// <summary>Null while it is being looked for.</summary>
    public PythonInterpreter? Interpreter { get; private set; }

    public WorkerKind? Kind { get; private set; }

    /// <summary>Hands out the kind once it is known, or null and why there is none.</summary>
    public void WhenKnown(Action<WorkerKind?, string> told)
    {
        if (Interpreter is null)
            _waiting.Add(told);
        else
            told(Kind, (Interpreter as PythonInterpreter.Missing)?.Reason ?? "");
    }

    public void Found(PythonInterpreter interpreter)
    {
        Interpreter = interpreter;
        if (interpreter is PythonInterpreter.Found found)
        {
            Kind = PythonKinds.Runner(_options, Place, found.Path);
            Workers.Refusal = null;
            Workers.Open();
        }
        else if (interpreter is PythonInterpreter.Missing missing)
        {
            Workers.Refusal = missing.Reason;
            Workers.DenyAll(missing.Reason);
        }

        foreach (var told in _waiting.ToArray())
            WhenKnown(told);
        _waiting.Clear();
    }

    public void Dispose() => Workers.Dispose();
}
