using System.Collections.Concurrent;
using System.Collections.Immutable;
using System.Threading.Channels;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Instances;

namespace Dormouse.Server.Tests.Gateway;

/// <summary>A driver whose instances are in-process servers. It keeps the driver's contract: Ready or Failed once, then at most Lost, last Gone.</summary>
internal sealed class FakeDriver(string folder) : IInstanceDriver
{
    private readonly ConcurrentDictionary<InstanceId, FakeInstance> _instances = new();
    private readonly ConcurrentDictionary<InstanceId, bool> _pending = new();
    private readonly ConcurrentBag<Task> _work = [];
    private readonly Channel<InstanceStart> _starts = Channel.CreateUnbounded<InstanceStart>();
    private readonly Channel<(InstanceId, StopReason)> _stops = Channel.CreateUnbounded<(InstanceId, StopReason)>();
    private readonly Channel<FakeRun> _runs = Channel.CreateUnbounded<FakeRun>();
    private IInstanceObserver? _observer;
    private int _started;
    private int _sockets;
    private int _opens;

    /// <summary>False: a test makes each instance ready, or lets it fail.</summary>
    public bool IsReadyAtOnce { get; set; } = true;

    /// <summary>What instances say of the rung that they took.</summary>
    public RungReason? RungReason { get; set; }

    /// <summary>What instances do with a request; the default answers at once.</summary>
    public Func<FakeRun, Task> Play { get; set; } = static run => FakeInstance.AnswerAsync(run.Context, 200, "application/json", "{\"outputs\":[]}"u8.ToArray());

    /// <summary>False: instances answer before they have read a byte of the body.</summary>
    public bool ReadsBodies { get; set; } = true;

    public string Interface { get; set; } = "{}";

    public int Started => Volatile.Read(ref _started);

    public IEnumerable<InstanceId> Alive => _instances.Keys;

    public ImmutableArray<ProbeResult> Probes => [];

    /// <summary>An instance that keeps its runs until the test releases them.</summary>
    public void HoldRuns() => Play = async run =>
    {
        _runs.Writer.TryWrite(run);
        await run.ReleasedAsync();
        await FakeInstance.AnswerAsync(run.Context, 200, "application/json", "{\"outputs\":[]}"u8.ToArray());
    };

    public ValueTask<InstanceStart> NextStartAsync(CancellationToken cancellationToken) => _starts.Reader.ReadAsync(cancellationToken);

    public ValueTask<(InstanceId Instance, StopReason Reason)> NextStopAsync(CancellationToken cancellationToken) => _stops.Reader.ReadAsync(cancellationToken);

    public ValueTask<FakeRun> NextRunAsync(CancellationToken cancellationToken) => _runs.Reader.ReadAsync(cancellationToken);

    /// <summary>Tries to open it that fail before one goes well.</summary>
    public int FailingOpens { get; set; }

    /// <summary>Opening goes on until the server stops, and fails then.</summary>
    public bool OpensUntilStopped { get; set; }

    /// <summary>Tries to open it so far.</summary>
    public int Opens => Volatile.Read(ref _opens);

    /// <summary>Specs of the revisions whose instances may come, as it was told.</summary>
    public ConcurrentQueue<RevisionSpec> Expected { get; } = [];

    public void Expect(RevisionSpec spec) => Expected.Enqueue(spec);

    public Task OpenAsync(IInstanceObserver observer, CancellationToken cancellationToken)
    {
        if (OpensUntilStopped)
        {
            // As a launcher whose program ends while the server stops: the fault is its own, not a cancellation.
            var opening = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            cancellationToken.Register(() => opening.SetException(new IOException("the launcher ended")));
            return opening.Task;
        }

        if (Interlocked.Increment(ref _opens) <= FailingOpens)
        {
            return Task.FromException(new IOException("no launcher in this test"));
        }

        _observer = observer;
        return Task.CompletedTask;
    }

    public void Start(InstanceStart start)
    {
        Interlocked.Increment(ref _started);
        _pending[start.Instance] = true;
        _starts.Writer.TryWrite(start);
        if (IsReadyAtOnce)
        {
            _work.Add(MakeReadyAsync(start.Instance));
        }
    }

    public async Task MakeReadyAsync(InstanceId id)
    {
        var socket = Path.Combine(folder, $"i{Interlocked.Increment(ref _sockets)}");
        var instance = new FakeInstance(id, socket, run => Play(run), () => ReadsBodies);
        await instance.StartAsync(CancellationToken.None);
        _instances[id] = instance;
        if (_pending.TryRemove(id, out _))
        {
            Observer.Ready(id, new InstanceReady(socket, Rung.Pool, TimeSpan.FromMilliseconds(3), FakeInstance.Load, Interface, UsedOptimised: true) { RungReason = RungReason });
        }
        else if (_instances.TryRemove(id, out _))
        {
            await instance.DisposeAsync();
        }
    }

    public void Fail(InstanceId id, StartFailure failure)
    {
        if (_pending.TryRemove(id, out _))
        {
            Observer.Failed(id, failure);
            Observer.Gone(id);
        }
    }

    /// <summary>The program ends by itself.</summary>
    public async Task LoseAsync(InstanceId id, InstanceLossKind kind)
    {
        if (_instances.TryRemove(id, out var instance))
        {
            await instance.DisposeAsync();
            Observer.Lost(id, new InstanceLoss(kind, kind switch
            {
                InstanceLossKind.Crashed => "ended by signal 11",
                InstanceLossKind.Killed => "ended by signal 9",
                _ => "ran out of memory",
            }));
            Observer.Gone(id);
        }
    }

    public void Stop(InstanceId instance, StopReason reason)
    {
        _stops.Writer.TryWrite((instance, reason));
        _work.Add(StopAsync(instance));
    }

    /// <summary>Why instances cannot be frozen; null = they can.</summary>
    public string? NoFreezer { get; set; }

    /// <summary>Frozen instances that are to be thawed are lost.</summary>
    public bool LosesThawed { get; set; }

    /// <summary>Instances that are frozen now.</summary>
    public ConcurrentDictionary<InstanceId, long> Frozen { get; } = new();

    public void Freeze(InstanceId instance, long turn)
    {
        if (NoFreezer is { } reason)
        {
            Observer.FreezeRefused(instance, reason);
            return;
        }

        Frozen[instance] = turn;
    }

    public void Thaw(InstanceId instance, long turn)
    {
        if (!Frozen.TryRemove(instance, out var frozen) || frozen >= turn || !_instances.TryGetValue(instance, out var there))
        {
            throw new InvalidOperationException($"{instance} is thawed in turn {turn} and was frozen in turn {frozen}.");
        }

        if (LosesThawed)
        {
            _work.Add(LoseAsync(instance, InstanceLossKind.Crashed));
            return;
        }

        Observer.Ready(instance, new InstanceReady(there.Socket, Rung.Thaw, TimeSpan.FromMilliseconds(1), TimeSpan.Zero, Interface, UsedOptimised: true));
    }

    public long? MemoryBytes(InstanceId instance) => null;

    public async ValueTask DisposeAsync()
    {
        foreach (var id in _instances.Keys)
        {
            await StopAsync(id);
        }

        await Task.WhenAll(_work);
    }

    private IInstanceObserver Observer => _observer ?? throw new InvalidOperationException("The driver was not opened.");

    private async Task StopAsync(InstanceId id)
    {
        await Task.Yield();
        if (_pending.TryRemove(id, out _))
        {
            Observer.Gone(id);
        }
        else if (_instances.TryRemove(id, out var instance))
        {
            await instance.DisposeAsync();
            Observer.Gone(id);
        }
    }
}
