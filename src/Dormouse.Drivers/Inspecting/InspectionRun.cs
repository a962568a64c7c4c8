using Dormouse.Core.Packages;
using Dormouse.Drivers.Launching;
using Dormouse.Protocol.Launching;

namespace Dormouse.Drivers.Inspecting;

/// <summary>One try of one inspection in a worker of its own. Used from the driver's inbox only, but for <see cref="Outcome"/>.</summary>
/// <param name="kind">What its worker is started as.</param>
internal sealed class InspectionRun(Examination examination, WorkerKind kind, int processesMax) : IWorkerOwner
{
    private readonly TaskCompletionSource<InspectionOutcome> _done = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private LauncherSession? _session;
    private Worker? _worker;
    private Inspection? _result;
    private bool _isAssigned;

    /// <summary>Ends when nothing of the worker is left.</summary>
    public Task<InspectionOutcome> Outcome => _done.Task;

    public TimeSpan TimeLimit => examination.TimeLimit;

    private WorkerLimits Limits => new(examination.MemoryBytes, examination.Cpu, processesMax);

    public void Begin(LauncherSession session)
    {
        _session = session;
        _worker = session.Spawn(this, Limits, kind);
    }

    public void TimeOver() => End(new Inspection.Refused(examination.TookTooLong));

    /// <summary>Ends it with a result, which is told when nothing of the worker is left.</summary>
    public void End(Inspection result)
    {
        _result ??= result;
        if (_worker is null)
            _done.TrySetResult(new(_result, LauncherLost: false));
        else
            _session?.Kill(_worker);
    }

    public void Said(Worker worker, WorkerMessage message)
    {
        switch (message)
        {
            case WorkerHello when !_isAssigned && _session is not null:
                _isAssigned = true;
                _session.Assign(worker, Limits, examination.Assignment, examination.Descriptors);
                break;
            case WorkerRefused refused:
                End(new Inspection.Refused(refused.Reason));
                break;
            default:
                if (examination.Read(worker, message) is { } result)
                    End(result);
                break;
        }
    }

    public void Wrote(Worker worker, string line) => examination.Wrote(line);

    public void Exited(Worker worker, WorkerExited exit) => _done.TrySetResult(new(_result ?? Explain(exit), LauncherLost: false));

    public void LauncherLost(Worker worker) => _done.TrySetResult(new(
        _result ?? new Inspection.Unavailable("The launcher ended during the inspection. Try again."), LauncherLost: _result is null));

    private Inspection Explain(WorkerExited exit) => exit switch
    {
        { OutOfMemory: true } => new Inspection.Refused(examination.NeedsMoreMemory),
        { Error: not null } => new Inspection.Unavailable($"The inspection's worker {ExitWords.For(exit)}."),
        _ when !_isAssigned => new Inspection.Unavailable($"The inspection's worker {ExitWords.For(exit)} before it was ready."),
        _ => new Inspection.Refused(examination.EndedItself(ExitWords.For(exit))),
    };
}

/// <param name="LauncherLost">It says nothing of the model and may be tried again.</param>
internal sealed record InspectionOutcome(Inspection Result, bool LauncherLost);
