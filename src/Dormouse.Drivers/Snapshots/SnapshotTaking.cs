using System.Text.Json;
using Dormouse.Core.Instances;
using Dormouse.Drivers.Instances;
using Dormouse.Drivers.Launching;
using Dormouse.Drivers.Pool;
using Dormouse.Drivers.Templates;
using Dormouse.Protocol.Launching;

namespace Dormouse.Drivers.Snapshots;

/// <summary>
/// One snapshot on its way: the template is written down, and what was written is restored once in a worker that serves nobody, which tells whether it is as good. Used from the driver's inbox only.
/// </summary>
/// <param name="folder">Empty; what is in it counts only when <paramref name="done"/> says so.</param>
/// <param name="done">Called once.</param>
internal sealed class SnapshotTaking(RevisionTemplate template, string folder, CriuProgram criu, JsonElement? record, IInstanceHost host, Action<Action> post, Action<SnapshotOutcome> done) : IWorkerOwner, IWorkerClaim
{
    /// <summary>Longest time for all of it.</summary>
    public static readonly TimeSpan TimeMax = TimeSpan.FromMinutes(2);

    private ITimer? _limit;
    private Worker? _worker;
    private int _process;
    private string? _compared;
    private string? _problem;
    private bool _isDone;
    private bool _waits;

    public RevisionTemplate Template => template;

    public void Begin()
    {
        _limit = host.Time.CreateTimer(_ => post(TooLate), null, TimeMax, Timeout.InfiniteTimeSpan);
        if (!template.TakeSnapshot(folder, criu, record, Taken))
            Done(new(null, 0, "", "", IsOwnFault: false));
    }

    /// <summary>It is not wanted any more.</summary>
    public void GiveUp()
    {
        if (_worker is not null)
            host.Session?.Kill(_worker);
        Done(new(null, 0, "", "", IsOwnFault: false));
    }

    public void Granted(Worker worker, Rung rung)
    {
        _waits = false;
        _worker = worker;
        worker.Owner = this;
        if (_isDone)
            host.Session?.Kill(worker);
        else
            RevisionTemplate.Restore(worker, template.Start, folder, _process, criu, host, verify: true);
    }

    public void Denied(string reason)
    {
        _waits = false;
        Done(new(null, 0, "", reason, IsOwnFault: false));
    }

    public void Said(Worker worker, WorkerMessage message)
    {
        if (message is SnapshotVerified verified)
            _compared = verified.Compared;
        else if (message is WorkerRefused refused)
            _problem ??= refused.Reason;
    }

    public void Wrote(Worker worker, string line)
    {
        // Nobody called it.
    }

    public void SnapshotEnded(Worker worker, SnapshotEnded ended) => _problem ??= ended.Problem;

    public void Exited(Worker worker, WorkerExited exit)
    {
        _worker = null;
        host.PoolOf(template.Start.Spec).StartEnded();
        if (_compared is not null && _problem is null)
            Done(new(_compared, _process, string.Join(' ', worker.Kind?.Command ?? []), "", IsOwnFault: false));
        else
            Done(new(null, 0, "", _problem ?? $"When it was restored in private it {ExitWords.For(exit)}.", IsOwnFault: _problem is not null || !ExitWords.WasKilledByOthers(exit)));
    }

    public void LauncherLost(Worker worker)
    {
        _worker = null;
        host.PoolOf(template.Start.Spec).StartEnded();
        Done(new(null, 0, "", "The launcher ended.", IsOwnFault: false));
    }

    private void Taken(SnapshotEnded ended)
    {
        if (_isDone)
            return;
        if (ended.Process == 0)
        {
            // Without a problem it is the template that has ended, which says nothing of the next.
            Done(new(null, 0, "", ended.Problem ?? "", IsOwnFault: ended.Problem is not null));
            return;
        }

        _process = ended.Process;
        _waits = true;
        host.PoolOf(template.Start.Spec).Take(this);
    }

    private void TooLate()
    {
        if (_isDone)
            return;
        _problem = $"It was not written and verified within {TimeMax.TotalSeconds} s.";
        if (_worker is not null)
            host.Session?.Kill(_worker);
        Done(new(null, 0, "", _problem, IsOwnFault: true));
    }

    private void Done(SnapshotOutcome outcome)
    {
        if (_isDone)
            return;
        _isDone = true;
        _limit?.Dispose();
        if (_waits)
            host.PoolOf(template.Start.Spec).Withdraw(this);
        done(outcome);
    }
}

/// <param name="Compared">What was compared when it was verified; null = it was not, and does not count.</param>
/// <param name="Worker">Command of the workers that it is restored in.</param>
/// <param name="Problem">Why not, a sentence; "" where nobody needs to know.</param>
/// <param name="IsOwnFault">It would fail again.</param>
internal sealed record SnapshotOutcome(string? Compared, int Process, string Worker, string Problem, bool IsOwnFault);
