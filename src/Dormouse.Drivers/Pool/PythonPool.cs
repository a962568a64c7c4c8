using Dormouse.Drivers.Launching;
using Dormouse.Drivers.Python;

namespace Dormouse.Drivers.Pool;

/// <summary>The workers of one Python: how they are started is known only once its interpreter was looked for; until then whoever wants one waits. Used from the driver's inbox only.</summary>
internal sealed class PythonPool : IDisposable
{
    private readonly ProcessDriverOptions _options;
    private readonly List<Action<WorkerKind?, string>> _waiting = [];

    /// <param name="pools">Makes the pools of what the function gives, which is nothing while it is unknown.</param>
    public PythonPool(ProcessDriverOptions options, PythonPlace place, Func<Func<WorkerKind?>, LevelPools> pools)
    {
        _options = options;
        Place = place;
        Workers = pools(() => Kind);
    }

    public PythonPlace Place { get; }

    public LevelPools Workers { get; }

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
            Kind = PythonKinds.Runner(_options, Place, found);
        }

        Workers.Refusal = (interpreter as PythonInterpreter.Missing)?.Reason;
        Workers.Open();

        foreach (var told in _waiting.ToArray())
            WhenKnown(told);
        _waiting.Clear();
    }

    public void Dispose() => Workers.Dispose();
}
