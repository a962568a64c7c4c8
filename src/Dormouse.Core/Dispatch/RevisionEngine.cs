using Dormouse.Core.Endpoints;

namespace Dormouse.Core.Dispatch;

/// <summary>
/// Everything that is decided for one revision: which invocation gets which slot, who waits, who is refused, how many instances
/// should run, which are stopped. It owns its state and has no I/O, clock, lock or async: one driver at a time calls <see cref="Apply"/>
/// and carries out the effects. The server and the simulator drive the same code.
/// </summary>
public sealed class RevisionEngine
{
    public RevisionEngine(RevisionId revision, RevisionSpec spec, long firstInstanceNumber) => throw new NotImplementedException();

    public RevisionId Revision => throw new NotImplementedException();

    /// <summary>True while nothing waits, runs or exists: the engine may be dropped.</summary>
    public bool IsEmpty => throw new NotImplementedException();

    /// <summary>
    /// Takes one event at <paramref name="now"/> (never earlier than the last) and appends what must be done to <paramref name="effects"/>, which the caller
    /// has cleared. Events about unknown tickets or instances are ignored: they lost a race.
    /// </summary>
    public void Apply(in RevisionEvent @event, MonotonicTime now, RevisionEffects effects) => throw new NotImplementedException();

    /// <summary>What an observer sees now; allocates, so not for the hot path.</summary>
    public RevisionSample Sample(MonotonicTime now) => throw new NotImplementedException();
}
