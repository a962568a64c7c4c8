using Dormouse.Core.Instances;
using Dormouse.Drivers.Instances;
using Dormouse.Drivers.Launching;
using Dormouse.Drivers.Pool;
using Dormouse.Protocol.Launching;

namespace Dormouse.Drivers.Templates;

/// <summary>
/// The template of one revision: a worker that has loaded its code once and is forked for each start. Made of a worker of the pool, like an instance. Used from the driver's inbox only.
/// </summary>
/// <param name="start">The start of an instance that has come to serve; the template is loaded in the same way.</param>
/// <param name="changed">Its state is another now.</param>
internal sealed class RevisionTemplate(InstanceStart start, IInstanceHost host, Action<RevisionTemplate> changed) : IWorkerOwner, IWorkerClaim
{
    private volatile TemplateReport _report = new(TemplateState.Starting, "", 0, 0);
    private Worker? _worker;

    /// <summary>From any thread.</summary>
    public TemplateReport Report => _report;

    public InstanceId MadeFor => start.Instance;

    public TemplateState State => _report.State;

    public string Reason => _report.Reason;

    public long MemoryBytes => _report.MemoryBytes;

    public TimeSpan LoadTime { get; private set; }

    /// <summary>Forks that have not ended: they end with it.</summary>
    public int Living { get; private set; }

    /// <summary>Timestamp of the last fork or end of one.</summary>
    public long UsedAt { get; private set; }

    public void Begin() => host.PoolOf(start.Spec).Take(this);

    /// <summary>A worker that is becoming an instance; null when it is not ready to be forked.</summary>
    public Worker? Fork(IWorkerOwner owner)
    {
        if (State != TemplateState.Ready || _worker is null || host.Session is not { } session)
            return null;
        _report = _report with { Forks = _report.Forks + 1 };
        Living++;
        UsedAt = host.Time.GetTimestamp();
        return session.Fork(_worker, owner, host.Limits(start.Spec));
    }

    /// <summary>Nothing of a fork is left.</summary>
    public void ForkEnded()
    {
        Living--;
        UsedAt = host.Time.GetTimestamp();
        KillUnused();
    }

    /// <summary>A fork did not come to serve: whatever the cause, starts of this revision are plain ones from now on.</summary>
    public void Failed(string reason) => End(TemplateState.Refused, $"A fork of it did not become ready: {reason}");

    /// <summary>No instance is forked from it any more; it lives on as long as its forks.</summary>
    public void End(TemplateState state, string reason)
    {
        if (State is TemplateState.Refused or TemplateState.Ended)
            return;
        if (State == TemplateState.Starting && _worker is null)
            host.PoolOf(start.Spec).Withdraw(this);
        else if (State == TemplateState.Starting)
            host.PoolOf(start.Spec).StartEnded();
        Become(state, reason);
        KillUnused();
    }

    public void Granted(Worker worker, Rung rung)
    {
        _worker = worker;
        worker.Owner = this;
        var serve = (ServePythonAssignment)InstanceProgram.For(start).Assignment(optimised: null);
        host.Session?.Assign(
            worker,
            host.Limits(start.Spec),
            new TemplatePythonAssignment
            {
                FolderDescriptor = serve.FolderDescriptor,
                Module = serve.Module,
                Function = serve.Function,
                Concurrency = serve.Concurrency,
                MemoryMib = serve.MemoryMib,
                Environment = serve.Environment,
            },
            new DescriptorSource(start.Folder, Write: false));
    }

    public void Denied(string reason) => Become(TemplateState.Ended, reason);

    public void Said(Worker worker, WorkerMessage message)
    {
        if (State != TemplateState.Starting)
            return;
        if (message is WorkerRefused refused)
        {
            End(TemplateState.Refused, refused.Reason);
        }
        else if (message is PythonTemplate loaded)
        {
            host.PoolOf(start.Spec).StartEnded();
            LoadTime = TimeSpan.FromMicroseconds(Math.Max(0, loaded.LoadMicroseconds));
            UsedAt = host.Time.GetTimestamp();
            _report = _report with { MemoryBytes = ProcessMemory.PrivateBytes(worker.ProcessId) ?? 0 };
            Become(TemplateState.Ready, "");
        }
    }

    /// <summary>What the code prints while it is loaded is in the log of the instance before.</summary>
    public void Wrote(Worker worker, string line)
    {
    }

    public void Exited(Worker worker, WorkerExited exit)
    {
        _worker = null;
        if (State is not (TemplateState.Starting or TemplateState.Ready))
            return;
        if (State == TemplateState.Starting)
            host.PoolOf(start.Spec).StartEnded();
        // One that someone killed says nothing of the next.
        Become(ExitWords.WasKilledByOthers(exit) ? TemplateState.Ended : TemplateState.Refused, exit.OutOfMemory
            ? $"It did not fit into {start.Spec.MemoryMib} MiB."
            : $"It {ExitWords.For(exit)}.");
    }

    public void LauncherLost(Worker worker)
    {
        if (State == TemplateState.Starting)
            host.PoolOf(start.Spec).StartEnded();
        _worker = null;
        if (State is TemplateState.Starting or TemplateState.Ready)
            Become(TemplateState.Ended, "");
    }

    private void KillUnused()
    {
        if (State is TemplateState.Refused or TemplateState.Ended && Living == 0 && _worker is not null)
            host.Session?.Kill(_worker);
    }

    private void Become(TemplateState state, string reason)
    {
        _report = _report with { State = state, Reason = reason };
        changed(this);
    }
}
