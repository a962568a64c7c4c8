using Dormouse.Core.Instances;
using Dormouse.Drivers.Launching;
using Dormouse.Drivers.Pool;
using Dormouse.Drivers.Templates;
using Dormouse.Protocol.Launching;

namespace Dormouse.Drivers.Instances;

/// <summary>
/// One instance from its start until nothing of it is left. Tells the observer, in order: at most one of Ready and Failed (none when it is stopped
/// before), Ready once more for each thaw, then at most one Lost, then exactly one Gone. Used from the driver's inbox only.
/// </summary>
/// <param name="host">The driver around it.</param>
/// <param name="startedAt">Timestamp of the call to start.</param>
internal sealed class InstanceRun(InstanceStart start, IInstanceHost host, long startedAt) : IWorkerOwner, IWorkerClaim, IRestoreWaiter
{
    private readonly InstanceProgram _program = InstanceProgram.For(start);
    private Phase _phase = Phase.Claiming;
    private Worker? _worker;
    private Rung _rung;

    /// <summary>What the worker is a fork of; null when it is none, or has ended.</summary>
    private RevisionTemplate? _template;

    /// <summary>Why it is no fork of a template, as far as that was known when it began.</summary>
    private RungReason? _noFork;

    /// <summary>It was made ahead, and was well until it was taken.</summary>
    private bool _wasSpare;

    /// <summary>What was said when it became ready; set while it serves.</summary>
    private InstanceReady? _ready;

    /// <summary>Its code has something to do before it ends.</summary>
    private bool _ends;

    /// <summary>The last order to freeze or thaw it that was followed.</summary>
    private long _freezerTurn;
    private bool _isFrozen;

    /// <summary>When the thaw was asked for that goes on; null = none does.</summary>
    private long? _thawingSince;

    /// <summary>What it is to be a fork of, while that is being restored.</summary>
    private RevisionTemplate? _restoring;

    private enum Phase
    {
        Restoring,
        Claiming,
        Loading,
        Serving,

        /// <summary>Everything is said but that it is gone.</summary>
        Ending,
    }

    public bool WasRobbed { get; private set; }

    /// <summary>It was told to end, and does what its code has to do then.</summary>
    public bool IsEndingByItself { get; private set; }

    private InstanceId Instance => start.Instance;

    private int MemoryMib => start.Spec.MemoryMib;

    private WorkerPool Pool => host.PoolOf(start.Spec);

    public void Begin()
    {
        if (_program.Refusal is { } refusal)
        {
            Fail(StartFailureKind.Model, refusal);
        }
        else if (host.Templates.Of(start) is { } template && TryFork(template, Rung.Fork))
        {
            return;
        }
        else if (host.Templates.Restore(start) is { } restoring)
        {
            _phase = Phase.Restoring;
            _restoring = restoring;
            restoring.Await(this);
        }
        else
        {
            _noFork = start.Spec.Kind.RunsModels ? null : host.Templates.WhyNone(start);
            Pool.Take(this);
        }
    }

    public void Restored(RevisionTemplate template)
    {
        _restoring = null;
        if (!TryFork(template, Rung.Restore))
            NotRestored();
    }

    public void NotRestored()
    {
        _restoring = null;
        _noFork = RungReason.RestoreFailed;
        _phase = Phase.Claiming;
        Pool.Take(this);
    }

    /// <summary>Kills it, whatever it does; one that serves, and whose code has something to do at its end, is left to end by itself where nobody waits for its room and nothing is wrong with it.</summary>
    public void Stop(StopReason reason)
    {
        switch (_phase)
        {
            case Phase.Restoring:
                _restoring?.Leave(this);
                host.Gone(Instance);
                break;
            case Phase.Claiming:
                Pool.Withdraw(this);
                host.Gone(Instance);
                break;
            case Phase.Loading:
                if (reason == StopReason.StartTimedOut)
                    _template?.Failed("it was not ready in time.");
                LoadEnded();
                Kill();
                break;
            case Phase.Serving when _ends && _worker is not null && reason is StopReason.Idle or StopReason.Retired or StopReason.Requested or StopReason.ServerStopping:
                host.Session?.End(_worker);
                IsEndingByItself = true;
                break;
            case Phase.Serving:
                Kill();
                break;
        }

        _phase = Phase.Ending;
    }

    /// <summary>It stands still from now on, unless a later order came before this one.</summary>
    public void Freeze(long turn)
    {
        // Without a launcher its loss is told soon.
        if (_phase != Phase.Serving || turn < _freezerTurn || _worker is null || host.Session is not { Hello.Freezer: var freezer } session)
            return;
        _freezerTurn = turn;
        if (!freezer.Works)
        {
            host.Observer.FreezeRefused(Instance, freezer.Reason ?? "");
            return;
        }

        _isFrozen = true;
        session.Freeze(_worker);
    }

    public void Thaw(long turn)
    {
        if (_phase != Phase.Serving || turn < _freezerTurn || _worker is null)
            return;
        _freezerTurn = turn;
        _thawingSince = host.Time.GetTimestamp();
        if (_isFrozen)
            host.Session?.Thaw(_worker);
        else
            Thawed(_worker);
    }

    public void Thawed(Worker worker)
    {
        _isFrozen = false;
        if (_phase != Phase.Serving || _ready is null || _thawingSince is not { } since)
            return;
        _thawingSince = null;
        host.Observer.Ready(Instance, _ready with { Rung = Rung.Thaw, RungReason = null, StartTime = host.Time.GetElapsedTime(since), LoadTime = TimeSpan.Zero, UsedOptimised = true });
    }

    public void FreezeRefused(Worker worker, string reason)
    {
        _isFrozen = false;
        if (_phase == Phase.Serving && _thawingSince is null)
            host.Observer.FreezeRefused(Instance, reason);
    }

    public void Granted(Worker worker, Rung rung)
    {
        _phase = Phase.Loading;
        _worker = worker;
        _rung = rung;
        worker.Owner = this;
        host.Runs(Instance, worker.ProcessId);
        // Not null: a worker is granted once it has said hello.
        var optimised = start.Spec.Kind.RunsModels ? host.FindOptimised(start, worker.Hello!.EngineKey) : null;
        List<DescriptorSource> descriptors = [new(start.Folder, Write: false)];
        if (optimised is not null)
            descriptors.Add(new(optimised, Write: false));
        var assignment = _program.Assignment(optimised);
        if (assignment is ServePythonAssignment serve)
            serve.Record = worker.Kind?.Sandbox is { Container: false } && host.Snapshots.WantsCall(start);
        host.Session?.Assign(worker, host.Limits(start.Spec), assignment, descriptors);
    }

    public void Denied(string reason) => Fail(StartFailureKind.Crash, reason);

    public void Said(Worker worker, WorkerMessage message)
    {
        if (message is FirstCall call)
            host.Snapshots.Heard(Instance.Revision, call.Record);
        if (_phase != Phase.Loading || _worker != worker)
            return;
        if (message is WorkerRefused refused && _template is not null)
        {
            // Perhaps it is only refused because it is a fork: a plain start tells.
            _template.Failed(refused.Reason);
            Kill();
        }
        else if (message is WorkerRefused broken)
        {
            _phase = Phase.Ending;
            host.Observer.Failed(Instance, new(StartFailureKind.Model, broken.Reason));
            Kill();
            LoadEnded();
        }
        else if (_program.Read(message) is { } ready)
        {
            _phase = Phase.Serving;
            _ends = ready.Ends;
            if (_template is not null)
                host.Runs(Instance, worker.ProcessId);
            else
                host.Templates.Serves(start, ready.Load);
            var before = host.Time.GetElapsedTime(startedAt) - ready.Load;
            _ready = new(worker.SocketPath, _rung, before > TimeSpan.Zero ? before : TimeSpan.Zero, ready.Load, ready.Interface, ready.UsedOptimised)
            {
                RungReason = WhyNoBetter(ready.Load),
                RefusedOptimised = ready.RefusedOptimised,
            };
            host.Observer.Ready(Instance, _ready);
            LoadEnded();
        }
    }

    public void Wrote(Worker worker, string line) => host.Observer.Wrote(Instance, line);

    public void Exited(Worker worker, WorkerExited exit)
    {
        if (_template is { } template)
        {
            _template = null;
            template.ForkEnded();
            if (_phase == Phase.Loading)
            {
                // One made ahead may have been killed by someone just before it was taken.
                if (!_wasSpare || !ExitWords.WasKilledByOthers(exit))
                    template.Failed(exit.OutOfMemory ? $"it did not fit into {MemoryMib} MiB." : $"it {ExitWords.For(exit)}.");
                _noFork = _rung == Rung.Restore ? RungReason.RestoreFailed : RungReason.ForkFailed;
                _phase = Phase.Claiming;
                Pool.Take(this);
                return;
            }
        }

        if (_phase == Phase.Loading && ExitWords.WasKilledByOthers(exit))
        {
            // Not the model's fault, and nobody has seen this instance yet: another worker takes its place for as long as the start may go on.
            WasRobbed = true;
            host.Observer.Wrote(Instance, $"[the worker {ExitWords.For(exit)} from outside while it loaded the {_program.Thing}: another takes its place]");
            _phase = Phase.Claiming;
            LoadEnded();
            Pool.Take(this);
            return;
        }

        if (exit.ProcessesRefused > 0)
            host.Observer.Wrote(Instance, $"[it was refused a process or thread {exit.ProcessesRefused} times: it had as many as an instance may have]");
        var phase = _phase;
        _phase = Phase.Ending;
        if (phase == Phase.Loading)
        {
            host.Observer.Failed(Instance, exit.OutOfMemory
                ? new(StartFailureKind.Memory, $"The {_program.Thing} did not fit into {MemoryMib} MiB while it was loaded. Deploy it with more: --memory.")
                : new(StartFailureKind.Crash, $"The worker {ExitWords.For(exit)} while it loaded the {_program.Thing}."));
            LoadEnded();
        }
        else if (phase == Phase.Serving)
        {
            host.Observer.Lost(Instance, exit.OutOfMemory
                ? new(InstanceLossKind.MemoryExceeded, $"The instance used more than its {MemoryMib} MiB.")
                : new(ExitWords.WasKilledByOthers(exit) ? InstanceLossKind.Killed : InstanceLossKind.Crashed, $"The worker {ExitWords.For(exit)}."));
        }

        host.Gone(Instance);
    }

    public void LauncherLost(Worker worker)
    {
        var phase = _phase;
        _phase = Phase.Ending;
        IsEndingByItself = false;
        const string Detail = "The launcher ended and took its workers along; it is being replaced.";
        if (phase == Phase.Loading)
        {
            host.Observer.Failed(Instance, new(StartFailureKind.Crash, Detail));
            LoadEnded();
        }
        else if (phase == Phase.Serving)
        {
            host.Observer.Lost(Instance, new(InstanceLossKind.LauncherLost, Detail));
        }

        host.GoneAfterSweep(Instance);
    }

    private bool TryFork(RevisionTemplate template, Rung rung)
    {
        if (template.Fork(this, out _wasSpare) is not { } fork)
            return false;
        _phase = Phase.Loading;
        _rung = rung;
        _template = template;
        _worker = fork;
        return true;
    }

    /// <summary>Code that loads too quickly for a template misses nothing by having none.</summary>
    private RungReason? WhyNoBetter(TimeSpan load) =>
        _rung is Rung.Fork or Rung.Restore ? null
        : _noFork is { } reason && !(reason == RungReason.NoTemplate && host.Templates.IsQuick(load)) ? reason
        : _rung == Rung.None ? RungReason.PoolEmpty : null;

    private void Fail(StartFailureKind kind, string reason)
    {
        _phase = Phase.Ending;
        host.Observer.Failed(Instance, new(kind, reason));
        host.Gone(Instance);
    }

    /// <summary>The pool is told: it waits for the starts that it gave workers to.</summary>
    private void LoadEnded()
    {
        if (_rung is not (Rung.Fork or Rung.Restore))
            Pool.StartEnded();
    }

    private void Kill()
    {
        if (_worker is not null)
            host.Session?.Kill(_worker);
    }
}
