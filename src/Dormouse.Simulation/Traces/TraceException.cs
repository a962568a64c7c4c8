namespace Dormouse.Simulation.Traces;

/// <summary>A trace that cannot be used. The message names file, line, value and what is allowed.</summary>
public sealed class TraceException : Exception
{
    public TraceException(string file, string message)
        : base($"{file}: {message}")
    {
    }

    public TraceException(string file, long line, string message)
        : base($"{file}:{line}: {message}")
    {
    }
}
