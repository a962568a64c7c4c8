using System.Text.Json;
using Dormouse.Core.Instances;
using Dormouse.Drivers.Instances;
using Dormouse.Drivers.Launching;
using Dormouse.Drivers.Pool;
using Dormouse.Drivers.Snapshots;
using Dormouse.Protocol.Launching;

namespace Dormouse.Drivers.Templates;

/// <summary>
/// The template of one revision: a worker that has loaded its code once and is forked for each start. Made of a worker of the pool, like an instance. Used from the driver's inbox only.
/// </summary>
internal sealed class RevisionTemplate : IWorkerOwner, IWorkerClaim
{
    private readonly InstanceStart _start;
    private readonly IInstanceHost _host;
    private readonly Action<RevisionTemplate> _changed;
    private readonly SpareForks _spares;
    private readonly (KeptSnapshot Kept, CriuProgram Criu)? _snapshot;
    private readonly Action<Action> _post;
    private readonly List<IRestoreWaiter> _waiters = [];
    private readonly long _began;
    private Action<SnapshotEnded>? _taken;
    private ITimer? _limit;
    private bool _isSound;
    private PythonTemplate? _loaded;
    private volatile TemplateReport _report = new(TemplateState.Starting, "", 0, 0, 0);
    private long _ownBytes;
    private Worker? _worker;

    /// <summary>Longest restore: a plain start would have ended by then.</summary>
    public static readonly TimeSpan RestoreTimeMax = TimeSpan.FromSeconds(10);

    /// <param name="start">The start of an instance that has come to serve; the template is loaded in the same way.</param>
    /// <param name="snapshot">It is restored from this; null = it is loaded.</param>
    /// <param name="sparesWanted">Forks of it that are kept ready.</param>
    /// <param name="post">Runs work in the driver's inbox.</param>
    /// <param name="changed">Its state is another now.</param>
    /// <param name="grown">What it and its spare forks take is another now.</param>
    public RevisionTemplate(
        InstanceStart start, (KeptSnapshot Kept, CriuProgram Criu)? snapshot, int sparesWanted, IInstanceHost host, Action<Action> post, Action<RevisionTemplate> changed, Action<RevisionTemplate> grown)
    {
        _start = start;
        _snapshot = snapshot;
        _post = post;
        _began = host.Time.GetTimestamp();
        _host = host;
        _changed = changed;
        _spares = new(
            sparesWanted,
            owner => _worker is null ? null : host.Session?.Fork(_worker, owner, host.Limits(start.Spec), waits: true),
            host,
            post,
            () =>
            {
                _report = _report with { MemoryBytes = _ownBytes + _spares!.MemoryBytes, Spares = _spares.Waiting }; // Not null: it is made before it calls.
                grown(this);
            });
    }

    /// <summary>From any thread.</summary>
    public TemplateReport Report => _report;

    public InstanceId MadeFor => _start.Instance;

    public InstanceStart Start => _start;

    public bool IsSandboxed => _worker?.Kind?.Sandbox is { Container: false };

    public bool IsInContainer => _worker?.Kind?.Sandbox is { Container: true };

    /// <summary>It was, or is being, restored from a snapshot.</summary>
    public bool IsRestored => _snapshot is not null;

    /// <summary>What speaks against its snapshot, once something does, a sentence.</summary>
    public string? SnapshotFault { get; private set; }

    /// <summary>Which secrets it was given.</summary>
    public string SecretsStamp => _start.Secrets.Stamp;

    public TemplateState State => _report.State;

    public string Reason => _report.Reason;

    public long MemoryBytes => _report.MemoryBytes;

    public TimeSpan LoadTime { get; private set; }

    /// <summary>Forks that have not ended: they end with it.</summary>
    public int Living { get; private set; }

    /// <summary>Timestamp of the last fork or end of one.</summary>
    public long UsedAt { get; private set; }

    public void Begin() => _host.PoolOf(_start.Spec).Take(this);

    /// <summary>A worker that is becoming an instance; null when it is not ready to be forked.</summary>
    /// <param name="wasSpare">It was made ahead and ready: what becomes of it before it serves may be no fault of the code.</param>
    public Worker? Fork(IWorkerOwner owner, out bool wasSpare)
    {
        wasSpare = false;
        if (State != TemplateState.Ready || _worker is null || _host.Session is not { } session)
            return null;
        _report = _report with { Forks = _report.Forks + 1 };
        Living++;
        UsedAt = _host.Time.GetTimestamp();
        var limits = _host.Limits(_start.Spec);
        if (_spares.Take(out wasSpare) is not { } spare)
            return session.Fork(_worker, owner, limits);
        spare.Owner = owner;
        session.Assign(spare, limits, new ServeForkAssignment());
        return spare;
    }

    /// <summary>It is told when the restore has ended, at once when it has already.</summary>
    public void Await(IRestoreWaiter waiter)
    {
        if (State == TemplateState.Starting)
            _waiters.Add(waiter);
        else
            Tell(waiter);
    }

    /// <summary>It does not wait any more.</summary>
    public void Leave(IRestoreWaiter waiter) => _waiters.Remove(waiter);

    /// <summary>Writes it down; <paramref name="taken"/> is told when that is over. False: there is nothing to write down now.</summary>
    /// <param name="record">A call to verify it with; null = none is known but to its forks.</param>
    public bool TakeSnapshot(string folder, CriuProgram criu, JsonElement? record, Action<SnapshotEnded> taken)
    {
        if (State != TemplateState.Ready || _worker is null || _host.Session is not { } session)
            return false;
        _taken = taken;
        session.TakeSnapshot(_worker, folder, criu, record);
        return true;
    }

    public void SnapshotEnded(Worker worker, SnapshotEnded ended)
    {
        if (State == TemplateState.Starting)
            SnapshotFault ??= ended.Problem;
        else
            EndTaking(ended);
    }

    /// <summary>Has a worker restored from a snapshot.</summary>
    /// <param name="verify">It says whether it is as good as before and ends.</param>
    public static void Restore(Worker worker, InstanceStart start, string folder, int process, CriuProgram criu, IInstanceHost host, bool verify)
    {
        if (host.Session is not { } session)
            return;
        session.Assign(worker, host.Limits(start.Spec), new RestorePythonAssignment { FolderDescriptor = 0, Process = process, Verify = verify }, new DescriptorSource(start.Folder, Write: false));
        session.RestoreSnapshot(worker, folder, process, criu);
    }

    /// <summary>There is no room for spare forks: it goes on without.</summary>
    public void GiveUpSpares() => _spares.Close();

    /// <summary>Nothing of a fork is left.</summary>
    public void ForkEnded()
    {
        Living--;
        UsedAt = _host.Time.GetTimestamp();
        KillUnused();
    }

    /// <summary>A fork did not come to serve: whatever the cause, starts of this revision are plain ones from now on.</summary>
    public void Failed(string reason)
    {
        if (IsRestored)
            SnapshotFault ??= $"A fork of it did not become ready: {reason}";
        End(IsRestored ? TemplateState.Ended : TemplateState.Refused, $"A fork of it did not become ready: {reason}");
    }

    /// <summary>No instance is forked from it any more; it lives on as long as its forks.</summary>
    public void End(TemplateState state, string reason)
    {
        if (State is TemplateState.Refused or TemplateState.Ended)
            return;
        if (State == TemplateState.Starting && _worker is null)
            _host.PoolOf(_start.Spec).Withdraw(this);
        else if (State == TemplateState.Starting)
            _host.PoolOf(_start.Spec).StartEnded();
        Become(state, reason);
        _spares.Close();
        KillUnused();
    }

    public void Granted(Worker worker, Rung rung)
    {
        _worker = worker;
        worker.Owner = this;
        if (_snapshot is { } snapshot)
        {
            _limit = _host.Time.CreateTimer(_ => _post(RestoreTooLong), null, RestoreTimeMax, Timeout.InfiniteTimeSpan);
            if (worker.Kind?.Sandbox is not { Container: false } || string.Join(' ', worker.Kind.Command) != snapshot.Kept.Worker)
                NotRestored("It was made of another interpreter, or where instances were isolated otherwise.");
            else
                Restore(worker, _start, snapshot.Kept.Folder, snapshot.Kept.Process, snapshot.Criu, _host, verify: false);
            return;
        }

        var serve = (ServePythonAssignment)InstanceProgram.For(_start).Assignment(optimised: null);
        _host.Session?.Assign(
            worker,
            _host.Limits(_start.Spec),
            new TemplatePythonAssignment
            {
                FolderDescriptor = serve.FolderDescriptor,
                Module = serve.Module,
                Function = serve.Function,
                Concurrency = serve.Concurrency,
                MemoryMib = serve.MemoryMib,
                Environment = serve.Environment,
                Secrets = serve.Secrets,
                Record = _host.Snapshots.WantsCall(_start),
            },
            new DescriptorSource(_start.Folder, Write: false));
    }

    public void Denied(string reason) => Become(TemplateState.Ended, reason);

    public void Said(Worker worker, WorkerMessage message)
    {
        if (State != TemplateState.Starting)
            return;
        if (message is WorkerRefused refused)
        {
            if (IsRestored)
                NotRestored(refused.Reason);
            else
                End(TemplateState.Refused, refused.Reason);
        }
        else if (message is PythonTemplate loaded)
        {
            _loaded = loaded;
            if (!IsRestored || _isSound)
                BecomeReady(worker, loaded);
        }
    }

    /// <summary>The snapshot's files were read beside the restore: they are what was verified, or not.</summary>
    public void Checked(bool isSound)
    {
        _isSound = isSound;
        if (State != TemplateState.Starting)
            return;
        if (!isSound)
            NotRestored("Its files are not what was written.");
        else if (_loaded is not null && _worker is not null)
            BecomeReady(_worker, _loaded);
    }

    private void BecomeReady(Worker worker, PythonTemplate loaded)
    {
        _host.PoolOf(_start.Spec).StartEnded();
        LoadTime = IsRestored ? _host.Time.GetElapsedTime(_began) : TimeSpan.FromMicroseconds(Math.Max(0, loaded.LoadMicroseconds));
        UsedAt = _host.Time.GetTimestamp();
        _ownBytes = ProcessMemory.PrivateBytes(worker.ProcessId) ?? 0;
        _report = _report with { MemoryBytes = _ownBytes };
        Become(TemplateState.Ready, "");
        if (State == TemplateState.Ready)
            _spares.Make();
    }

    /// <summary>What the code prints while it is loaded is in the log of the instance before.</summary>
    public void Wrote(Worker worker, string line)
    {
    }

    public void Exited(Worker worker, WorkerExited exit)
    {
        _worker = null;
        _spares.Close();
        EndTaking(null);
        if (State is not (TemplateState.Starting or TemplateState.Ready))
            return;
        if (State == TemplateState.Starting)
            _host.PoolOf(_start.Spec).StartEnded();
        if (IsRestored)
        {
            if (State == TemplateState.Starting && !ExitWords.WasKilledByOthers(exit))
                SnapshotFault ??= $"It {ExitWords.For(exit)}.";
            Become(TemplateState.Ended, "");
            return;
        }

        // One that someone killed says nothing of the next.
        Become(ExitWords.WasKilledByOthers(exit) ? TemplateState.Ended : TemplateState.Refused, exit.OutOfMemory
            ? $"It did not fit into {_start.Spec.MemoryMib} MiB."
            : $"It {ExitWords.For(exit)}.");
    }

    public void LauncherLost(Worker worker)
    {
        if (State == TemplateState.Starting)
            _host.PoolOf(_start.Spec).StartEnded();
        _worker = null;
        _spares.Close();
        EndTaking(null);
        if (State is TemplateState.Starting or TemplateState.Ready)
            Become(TemplateState.Ended, "");
    }

    private void RestoreTooLong()
    {
        if (State == TemplateState.Starting)
            NotRestored($"It was not restored within {RestoreTimeMax.TotalSeconds} s.");
    }

    /// <summary>Its worker is ended; those who wait hear of it at once.</summary>
    private void NotRestored(string reason)
    {
        SnapshotFault ??= reason;
        End(TemplateState.Ended, "");
    }

    /// <param name="ended">Null: the template has ended, and nothing is known of its snapshot.</param>
    private void EndTaking(SnapshotEnded? ended)
    {
        var taken = _taken;
        _taken = null;
        taken?.Invoke(ended ?? new(0, 0, null));
    }

    private void Tell(IRestoreWaiter waiter)
    {
        if (State == TemplateState.Ready)
            waiter.Restored(this);
        else
            waiter.NotRestored();
    }

    private void KillUnused()
    {
        if (State is TemplateState.Refused or TemplateState.Ended && Living == 0 && _worker is not null)
            _host.Session?.Kill(_worker);
    }

    private void Become(TemplateState state, string reason)
    {
        _report = _report with { State = state, Reason = reason };
        _limit?.Dispose();
        _changed(this);
        var waiters = _waiters.ToArray();
        _waiters.Clear();
        foreach (var waiter in waiters)
            Tell(waiter);
    }
}

/// <summary>A start that waits for a template to be restored. Gets exactly one of the two calls, unless it leaves.</summary>
internal interface IRestoreWaiter
{
    void Restored(RevisionTemplate template);

    void NotRestored();
}
