using System.Collections.Concurrent;
using System.Collections.Immutable;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Instances;

namespace Dormouse.Server.Tests.Fakes;

/// <summary>A driver whose instances become ready at once, unless a test holds or fails them, and serve nobody: enough for the control plane, which never talks to one.</summary>
internal sealed class ControlDriver : IInstanceDriver
{
    private readonly ConcurrentDictionary<InstanceId, bool> _running = new();
    private readonly ConcurrentQueue<InstanceId> _held = new();
    private IInstanceObserver? _observer;

    /// <summary>What the next instances say when they are ready.</summary>
    public InstanceReady Ready { get; set; } = new("/nowhere.sock", Rung.Pool, TimeSpan.FromMilliseconds(2), TimeSpan.FromMilliseconds(1), ControlServer.InterfaceJson, UsedOptimised: true);

    /// <summary>Engine and processor of its workers; null = none has said it yet.</summary>
    public string? EngineKey { get; set; }

    /// <summary>Instances stay starting until <see cref="ReleaseStarts"/>.</summary>
    public bool HoldsStarts { get; set; }

    public int HeldCount => _held.Count;

    /// <summary>Every start so far.</summary>
    public ConcurrentQueue<InstanceStart> Starts { get; } = new();

    /// <summary>Why starts fail; null = they do not.</summary>
    public StartFailure? Failure { get; set; }

    /// <summary>Why it makes no sandbox; null = it does.</summary>
    public string? NoSandbox { get; set; }

    public IsolationLevel IsolationOf(RevisionSpec spec) => spec.Isolation ?? (NoSandbox is null ? IsolationLevel.Sandbox : IsolationLevel.Process);

    public string? Limits { get; set; } = LimitsLevels.CgroupV2;

    public string? IsolationRefusal(RevisionSpec spec) => IsolationOf(spec) == IsolationLevel.Sandbox ? NoSandbox : null;

    public ImmutableArray<ProbeResult> Probes { get; } = [new("launcher", true, "a fake"), new("cgroups", false, "none here")];

    public Task OpenAsync(IInstanceObserver observer, CancellationToken cancellationToken)
    {
        _observer = observer;
        return Task.CompletedTask;
    }

    public void Start(InstanceStart start)
    {
        _running[start.Instance] = true;
        Starts.Enqueue(start);
        if (Failure is { } failure)
        {
            _observer?.Failed(start.Instance, failure);
            Stop(start.Instance, StopReason.Requested);
        }
        else if (HoldsStarts)
        {
            _held.Enqueue(start.Instance);
        }
        else
        {
            _observer?.Ready(start.Instance, Ready);
        }
    }

    public void ReleaseStarts()
    {
        HoldsStarts = false;
        while (_held.TryDequeue(out var instance))
        {
            _observer?.Ready(instance, Ready);
        }
    }

    public void Stop(InstanceId instance, StopReason reason)
    {
        if (_running.TryRemove(instance, out _))
        {
            _observer?.Gone(instance);
        }
    }

    public void Freeze(InstanceId instance, long turn)
    {
    }

    public void Thaw(InstanceId instance, long turn) => _observer?.Ready(instance, Ready with { Rung = Rung.Thaw });

    public void Write(InstanceId instance, string line) => _observer?.Wrote(instance, line);

    public long? MemoryBytes(InstanceId instance) => 12_345_678;

    public int? ProcessId(InstanceId instance) => 4711;

    public ValueTask DisposeAsync()
    {
        foreach (var instance in _running.Keys)
        {
            Stop(instance, StopReason.ServerStopping);
        }

        return ValueTask.CompletedTask;
    }
}
