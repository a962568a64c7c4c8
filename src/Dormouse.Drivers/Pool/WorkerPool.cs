using Dormouse.Core.Instances;
using Dormouse.Drivers.Launching;
using Dormouse.Protocol.Launching;
using Microsoft.Extensions.Logging;

namespace Dormouse.Drivers.Pool;

/// <summary>
/// Keeps generic workers ready and hands them out. A start always goes first: the pool is refilled one worker at a time, and only after the starts
/// under way have ended and their first calls had <see cref="FirstCallTime"/> (or have gone on for <see cref="RefillDelayMax"/>), so that it takes no cpu from a cold start. Used from the driver's inbox only.
/// </summary>
/// <param name="spawn">Starts a generic worker for an owner; null while there is no launcher.</param>
/// <param name="kill">Ends a worker.</param>
/// <param name="post">Runs work in the driver's inbox.</param>
internal sealed partial class WorkerPool(
    ProcessDriverOptions options, Func<IWorkerOwner, WorkerLimits, Worker?> spawn, Action<Worker> kill, Action<Action> post, TimeProvider time, ILogger logger)
    : IWorkerOwner, IDisposable
{
    public static readonly TimeSpan RefillDelayMax = TimeSpan.FromSeconds(1);

    /// <summary>What the calls that a start was made for get of the machine before the pool does.</summary>
    public static readonly TimeSpan FirstCallTime = TimeSpan.FromMilliseconds(100);
    public static readonly TimeSpan FirstBackOff = TimeSpan.FromMilliseconds(100);
    public static readonly TimeSpan LongestBackOff = TimeSpan.FromSeconds(30);

    /// <summary>Deaths in a row, of whatever cause, after which starts that wait get workers at the pace of the back-off, and after <see cref="DyingTimeMax"/> none.</summary>
    public const int DeathsMax = 20;

    /// <summary>How long workers may die before any is ready until a start is denied; most starts have given up by then.</summary>
    public static readonly TimeSpan DyingTimeMax = TimeSpan.FromMinutes(1);

    private readonly List<Worker> _ready = [];
    private readonly HashSet<Worker> _starting = [];
    private readonly LinkedList<IWorkerClaim> _claims = [];
    private int _startsUnderWay;
    private int _deaths;

    /// <summary>When the first died of those that died in a row.</summary>
    private long _dyingSince;
    private ITimer? _delay;
    private ITimer? _firstCalls;
    private ITimer? _backOff;
    private bool _refillOverdue;
    private bool _isClosed;

    public int ReadyCount => _ready.Count;

    /// <summary>Workers kept ready.</summary>
    public int Size
    {
        get;
        set
        {
            if (field == value)
                return;
            field = value;
            Adjust();
        }
    } = options.PoolSize;

    /// <summary>Why there can be no workers of this kind; null = there can.</summary>
    public string? Refusal { get; set; }

    /// <summary>Build of the last worker that said hello; null before the first.</summary>
    public string? WorkerBuild { get; private set; }

    /// <summary>Gives the claim a worker: at once when one is ready, else when one has started.</summary>
    public void Take(IWorkerClaim claim)
    {
        if (Refusal is { } refusal)
        {
            claim.Denied(refusal);
            return;
        }

        if (_ready.Count > 0)
        {
            Grant(claim, Rung.Pool);
        }
        else
        {
            _claims.AddLast(claim);
        }

        Adjust();
    }

    /// <summary>The claim is no longer wanted. False: it has its answer already.</summary>
    public bool Withdraw(IWorkerClaim claim) => _claims.Remove(claim);

    /// <summary>A granted worker has become ready, or has failed: the start it was taken for is over.</summary>
    public void StartEnded()
    {
        _startsUnderWay--;
        _firstCalls?.Dispose();
        _firstCalls = time.CreateTimer(_ => post(FirstCallsOver), null, FirstCallTime, Timeout.InfiniteTimeSpan);
        Adjust();
    }

    /// <summary>A launcher is there (again).</summary>
    public void Open()
    {
        _deaths = 0;
        Adjust();
    }

    /// <summary>Answers every claim that waits.</summary>
    public void DenyAll(string reason)
    {
        while (_claims.First is { } first)
        {
            _claims.RemoveFirst();
            first.Value.Denied(reason);
        }
    }

    public void Said(Worker worker, WorkerMessage message)
    {
        if (message is not WorkerHello hello)
        {
            LogOutOfTurn(worker.Number, message.GetType().Name);
            kill(worker);
            return;
        }

        if (!_starting.Remove(worker))
            return;
        WorkerBuild = hello.Build;
        _deaths = 0;
        _ready.Add(worker);
        Adjust();
    }

    public void Wrote(Worker worker, string line) => LogWrote(worker.Number, line);

    public void Exited(Worker worker, WorkerExited exit)
    {
        var wasStarting = _starting.Remove(worker);
        _ready.Remove(worker);
        if (_isClosed)
            return;
        var reason = exit.OutOfMemory
            ? $"did not fit into {options.PoolMemoryBytes >> 20} MiB"
            : ExitWords.For(exit);
        LogDied(worker.Number, reason);
        if (_deaths++ == 0)
            _dyingSince = time.GetTimestamp();
        // One that someone killed says nothing of the next; several in a row do.
        if (wasStarting && _claims.First is { } first && (IsDying || !ExitWords.WasKilledByOthers(exit)))
        {
            _claims.RemoveFirst();
            first.Value.Denied($"The worker {reason} before it was ready.");
        }

        // Kills from outside are not the worker's fault: they do not make the pool slower.
        var doublings = ExitWords.WasKilledByOthers(exit) ? 0 : Math.Min(_deaths - 1, 20);
        var wait = TimeSpan.FromTicks(Math.Min(LongestBackOff.Ticks, FirstBackOff.Ticks << doublings));
        _backOff?.Dispose();
        _backOff = time.CreateTimer(_ => post(BackOffOver), null, wait, Timeout.InfiniteTimeSpan);
        Adjust();
    }

    public void LauncherLost(Worker worker)
    {
        _starting.Remove(worker);
        _ready.Remove(worker);
    }

    /// <summary>Ends the workers that nobody has taken. False when somebody waits for one, or has one that is becoming an instance: then all stays as it is.</summary>
    public bool TryClose()
    {
        if (_claims.Count > 0 || _startsUnderWay > 0)
            return false;
        _isClosed = true;
        foreach (var worker in _ready.Concat(_starting))
            kill(worker);
        return true;
    }

    public void Dispose()
    {
        _delay?.Dispose();
        _firstCalls?.Dispose();
        _backOff?.Dispose();
    }

    private bool IsDying => _deaths >= DeathsMax && time.GetElapsedTime(_dyingSince) >= DyingTimeMax;

    /// <summary>Workers that have to be starting for the starts that wait.</summary>
    private int Wanted =>
        _claims.Count == 0 || (_deaths >= DeathsMax && _backOff is not null) ? 0
        : _claims.Count + (_deaths > 0 || _claims.Any(claim => claim.WasRobbed) ? 1 : 0);

    private void Grant(IWorkerClaim claim, Rung rung)
    {
        var worker = _ready[0];
        _ready.RemoveAt(0);
        _startsUnderWay++;
        claim.Granted(worker, rung);
    }

    private void Adjust()
    {
        if (_isClosed)
            return;
        while (_claims.First is { } first && _ready.Count > 0)
        {
            _claims.RemoveFirst();
            Grant(first.Value, Rung.None);
        }

        while (_starting.Count < Math.Min(Wanted, options.SpawnsAtOnceMax))
        {
            if (!TrySpawn())
                return;
        }

        if (_ready.Count + _starting.Count >= Size)
        {
            _refillOverdue = false;
            return;
        }

        if (_starting.Count > 0 || _claims.Count > 0 || _backOff is not null)
            return;
        if ((_startsUnderWay > 0 || _firstCalls is not null) && !_refillOverdue)
            _delay ??= time.CreateTimer(_ => post(DelayOver), null, RefillDelayMax, Timeout.InfiniteTimeSpan);
        else
            TrySpawn();
    }

    private bool TrySpawn()
    {
        if (spawn(this, new(options.PoolMemoryBytes, 0, options.ProcessesMax)) is not { } worker)
            return false;
        _starting.Add(worker);
        return true;
    }

    private void DelayOver()
    {
        _delay?.Dispose();
        _delay = null;
        _refillOverdue = true;
        Adjust();
    }

    private void FirstCallsOver()
    {
        _firstCalls?.Dispose();
        _firstCalls = null;
        Adjust();
    }

    private void BackOffOver()
    {
        _backOff?.Dispose();
        _backOff = null;
        Adjust();
    }

    [LoggerMessage(EventId = 3020, EventName = "PoolWorkerDied", Level = LogLevel.Warning,
        Message = "Generic worker {Worker} {Reason}; it is replaced, more slowly each time it happens")]
    private partial void LogDied(long worker, string reason);

    [LoggerMessage(EventId = 3021, EventName = "PoolWorkerOutOfTurn", Level = LogLevel.Error, Message = "Generic worker {Worker} said {Said} without an assignment and is killed")]
    private partial void LogOutOfTurn(long worker, string said);

    [LoggerMessage(EventId = 3022, EventName = "PoolWorkerWrote", Level = LogLevel.Debug, Message = "Generic worker {Worker}: {Line}")]
    private partial void LogWrote(long worker, string line);
}
