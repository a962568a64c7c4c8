using Dormouse.Core;
using Dormouse.Core.Dispatch;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Instances;
using Dormouse.Core.Scaling;
using Dormouse.Simulation.Load;

namespace Dormouse.Simulation.Worlds;

/// <summary>
/// One endpoint with one revision. It has an engine only while something waits, runs or exists, as in the server; what the next engine must know is kept, so an
/// idle endpoint costs little.
/// </summary>
internal sealed class SimulatedEndpoint(int index, EndpointPlan plan, SimulatedMachine machine)
{
    private static readonly List<SimulatedInstance> NoInstances = [];

    private LearnedTimes _learned;
    private IdleMemory? _idle;
    private long _nextInstance = 1;
    private List<SimulatedInstance> _instances = NoInstances;

    public int Index => index;

    public EndpointPlan Plan => plan;

    public RevisionSpec Spec => plan.Spec;

    public SimulatedMachine Machine => machine;

    /// <summary>The invocation that comes next.</summary>
    public Arrival Next { get; set; }

    /// <summary>What a schedule asks for now.</summary>
    public InstanceFloor Floor { get; set; } = InstanceFloor.None;

    /// <summary>Instances that a handover keeps of it; null = it has traffic.</summary>
    public int? Standby { get; set; }

    public RevisionEngine? Engine { get; private set; }

    /// <summary>Instances that are not gone. Not to be changed while there is no engine.</summary>
    public IReadOnlyList<SimulatedInstance> Instances => _instances;

    /// <summary>When the engine wants to be woken.</summary>
    public MonotonicTime WakeAt { get; set; } = MonotonicTime.Never;

    /// <summary>The earliest wake that is scheduled; never later than <see cref="WakeAt"/>.</summary>
    public MonotonicTime WakeScheduled { get; set; } = MonotonicTime.Never;

    /// <summary>Why an engine's first instance would be started.</summary>
    public StartCause NextCause { get; set; } = StartCause.First;

    /// <summary>Invocations at its overflow address.</summary>
    public int Overflowing { get; set; }

    /// <summary>Its overflow address has room for one more.</summary>
    public bool MayOverflow => Spec.Overflow is { } overflow && Overflowing < overflow.Max;

    /// <summary>From which its choices among instances follow.</summary>
    public long ChoiceSeed { get; init; }

    public RevisionEngine OpenEngine()
    {
        if (Engine is null)
        {
            Engine = new RevisionEngine(RevisionOf(index), plan.Spec, _nextInstance, NextCause, _learned, ChoiceSeed + _nextInstance)
            {
                Idle = _idle ?? new IdleMemory(),
                Floor = Floor,
            };
            _instances = [];
        }

        return Engine;
    }

    public void DropEngineWhenEmpty()
    {
        if (Engine is { IsEmpty: true } engine && _instances.Count == 0)
        {
            _learned = engine.Learned;
            _idle = engine.Idle;
            _nextInstance = engine.NextInstanceNumber;
            _instances = NoInstances;
            WakeAt = MonotonicTime.Never;
            Engine = null;
        }
    }

    /// <summary>Its server is lost: the next one knows nothing of it but what it was deployed with.</summary>
    public void Forget()
    {
        // Numbers go on only so that no two instances of a world have the same one.
        _nextInstance = Engine?.NextInstanceNumber ?? _nextInstance;
        (_learned, _idle, NextCause) = (default, null, StartCause.First);
        (WakeAt, WakeScheduled) = (MonotonicTime.Never, MonotonicTime.Never);
        _instances = NoInstances;
        Engine = null;
    }

    public SimulatedInstance Add(InstanceId id)
    {
        var instance = new SimulatedInstance(id, this);
        _instances.Add(instance);
        return instance;
    }

    public void Remove(SimulatedInstance instance) => _instances.Remove(instance);

    public SimulatedInstance? Find(InstanceId id)
    {
        foreach (var instance in _instances)
        {
            if (instance.Id.Number == id.Number)
            {
                return instance;
            }
        }

        return null;
    }

    /// <summary>The endpoint's index is in its identity, so that an instance's id leads back to it.</summary>
    private static RevisionId RevisionOf(int index) => new(new EndpointId(new Guid(index, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)), 1);

    /// <summary>Index of the endpoint that an instance belongs to.</summary>
    public static int IndexOf(InstanceId instance)
    {
        Span<byte> bytes = stackalloc byte[16];
        instance.Revision.Endpoint.Value.TryWriteBytes(bytes);
        return BitConverter.ToInt32(bytes);
    }
}
