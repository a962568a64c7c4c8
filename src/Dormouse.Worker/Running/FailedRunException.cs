using Dormouse.Protocol.Problems;

namespace Dormouse.Worker.Running;

/// <summary>A run ended with a problem, and used so much until then.</summary>
internal sealed class FailedRunException(ProblemCode code, RunTimes times, Exception inner) : Exception(inner.Message, inner)
{
    internal ProblemCode Code => code;

    internal RunTimes Times => times;
}
