using Dormouse.Core;
using Dormouse.Core.Overflow;

namespace Dormouse.Server.Overflow;

/// <summary>How what was sent to an overflow address ended, as its health sees it.</summary>
internal enum LaneEnd
{
    Answered,

    /// <summary>It could not be reached or had no room: nothing ran there.</summary>
    NotTaken,

    /// <summary>It gave no answer, or its answer broke off.</summary>
    Failed,
    CallerLeft,

    /// <summary>It was not sent: its body failed, or its caller's deadline came while the body still did.</summary>
    NotSent,
}

/// <summary>How a lane stands.</summary>
internal readonly record struct LaneState(OverflowHealth Health, int Running, long Answered, long NotTaken, long Failed, string? LastFailure);

/// <summary>The way to one revision's overflow address: how many are on it, and whether it may be asked. Its state is guarded by one short lock.</summary>
internal sealed class OverflowLane(OverflowPolicy policy)
{
    private readonly Lock _state = new();
    private LaneState _now = new(OverflowHealth.Fine, 0, 0, 0, 0, null);

    public OverflowPolicy Policy => policy;

    public LaneState State
    {
        get
        {
            lock (_state)
            {
                return _now;
            }
        }
    }

    /// <summary>One more would be sent now.</summary>
    public bool HasRoom(MonotonicTime now)
    {
        var state = State;
        return state.Running < policy.Max && state.Health.MayTry(now);
    }

    /// <summary>Takes a place; false when all are taken or the address is left alone.</summary>
    public bool TryEnter(MonotonicTime now)
    {
        lock (_state)
        {
            if (_now.Running >= policy.Max || !_now.Health.MayTry(now))
            {
                return false;
            }

            _now = _now with { Running = _now.Running + 1, Health = _now.Health.Sent() };
            return true;
        }
    }

    /// <summary>Gives the place back. Returns the health before and after.</summary>
    /// <param name="why">Of a failure.</param>
    public (OverflowHealth Before, OverflowHealth After) Leave(LaneEnd end, string? why, MonotonicTime now)
    {
        lock (_state)
        {
            var before = _now.Health;
            _now = _now with
            {
                Running = _now.Running - 1,
                Answered = _now.Answered + (end == LaneEnd.Answered ? 1 : 0),
                NotTaken = _now.NotTaken + (end == LaneEnd.NotTaken ? 1 : 0),
                Failed = _now.Failed + (end == LaneEnd.Failed ? 1 : 0),
                LastFailure = why ?? _now.LastFailure,
                Health = end switch
                {
                    LaneEnd.Answered => OverflowHealth.Answered(),
                    LaneEnd.CallerLeft or LaneEnd.NotSent => before.Unknown(now),
                    _ => before.Failed(now),
                },
            };
            return (before, _now.Health);
        }
    }
}
