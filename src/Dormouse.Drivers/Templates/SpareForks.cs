using Dormouse.Drivers.Instances;
using Dormouse.Drivers.Launching;
using Dormouse.Protocol.Launching;

namespace Dormouse.Drivers.Templates;

/// <summary>
/// Forks of one template that are made ahead and wait to become instances: with cgroup, sockets and process of their own, and nobody's. One that is taken is made up for a little later, beside the calls
/// of the instance; one that ends by itself after a pause that grows. Used from the driver's inbox only.
/// </summary>
/// <param name="wanted">How many are kept; 0 = none.</param>
/// <param name="fork">Orders one for an owner; null while there is no launcher.</param>
/// <param name="post">Runs work in the driver's inbox.</param>
/// <param name="changed">There are more or fewer of them, or what they take is known now.</param>
internal sealed class SpareForks(int wanted, Func<IWorkerOwner, Worker?> fork, IInstanceHost host, Action<Action> post, Action changed) : IWorkerOwner
{
    /// <summary>From the start that took one until another is made: what starts goes first.</summary>
    public static readonly TimeSpan MakeDelay = TimeSpan.FromMilliseconds(100);

    /// <summary>Pause after one that ended by itself; doubles each time, up to <see cref="RetryTimeMax"/>.</summary>
    public static readonly TimeSpan RetryTimeMin = TimeSpan.FromSeconds(1);

    public static readonly TimeSpan RetryTimeMax = TimeSpan.FromMinutes(5);

    private readonly List<Spare> _spares = [];
    private ITimer? _next;
    private int _failures;
    private bool _isClosed;

    /// <summary>Those that wait.</summary>
    public int Waiting => _spares.Count(spare => spare.Waits);

    /// <summary>What those that wait have for themselves, bytes.</summary>
    public long MemoryBytes => _spares.Sum(spare => spare.MemoryBytes);

    public void Make()
    {
        while (!_isClosed && _spares.Count < wanted && fork(this) is { } worker)
            _spares.Add(new(worker));
    }

    /// <summary>One that waits, else one that will soon; null = there is none. The caller becomes its owner and tells it to serve.</summary>
    /// <param name="waited">It had said that it waits: until then nothing was wrong with it.</param>
    public Worker? Take(out bool waited)
    {
        var taken = _spares.Find(spare => spare.Waits) ?? _spares.FirstOrDefault();
        waited = taken is { Waits: true };
        if (taken is null)
            return null;
        _spares.Remove(taken);
        if (waited)
            _failures = 0;
        MakeAfter(MakeDelay);
        changed();
        return taken.Worker;
    }

    /// <summary>Ends them, and no more are made.</summary>
    public void Close()
    {
        _isClosed = true;
        _next?.Dispose();
        foreach (var spare in _spares)
            host.Session?.Kill(spare.Worker);
        _spares.Clear();
        changed();
    }

    public void Said(Worker worker, WorkerMessage message)
    {
        if (message is not ForkWaits || _spares.Find(spare => spare.Worker == worker) is not { } spare)
            return;
        spare.Waits = true;
        spare.MemoryBytes = ProcessMemory.PrivateBytes(worker.ProcessId) ?? 0;
        changed();
    }

    /// <summary>Nothing of the user's runs in it: what it writes is the runner's, and nobody's.</summary>
    public void Wrote(Worker worker, string line)
    {
    }

    public void Exited(Worker worker, WorkerExited exit)
    {
        if (!Drop(worker) || _isClosed)
            return;
        MakeAfter(TimeSpan.FromTicks(Math.Min(RetryTimeMax.Ticks, RetryTimeMin.Ticks << Math.Min(_failures, 20))));
        _failures++;
    }

    public void LauncherLost(Worker worker)
    {
        Drop(worker);
        _isClosed = true;
        _next?.Dispose();
    }

    private bool Drop(Worker worker)
    {
        if (_spares.RemoveAll(spare => spare.Worker == worker) == 0)
            return false;
        changed();
        return true;
    }

    private void MakeAfter(TimeSpan pause)
    {
        if (_isClosed || wanted == 0)
            return;
        _next?.Dispose();
        _next = host.Time.CreateTimer(_ => post(Make), null, pause, Timeout.InfiniteTimeSpan);
    }

    private sealed class Spare(Worker worker)
    {
        public Worker Worker { get; } = worker;

        public bool Waits { get; set; }

        public long MemoryBytes { get; set; }
    }
}
