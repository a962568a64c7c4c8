using Dormouse.Protocol.Launching;

namespace Dormouse.Drivers.Launching;

/// <summary>Says in plain words how a worker ended.</summary>
internal static class ExitWords
{
    /// <summary>A clause such as "ended with exit code 3", without paths.</summary>
    public static string For(WorkerExited exit) => exit switch
    {
        { Error: { } error } => $"was ended: {error}",
        { Signal: { } signal } => $"was ended by signal {signal}{Name(signal)}",
        { ExitCode: { } code } => $"ended with exit code {code}",
        _ => "ended",
    };

    /// <summary>Killed, and neither by the launcher nor for its memory: someone else did it.</summary>
    public static bool WasKilledByOthers(WorkerExited exit) => exit is { Signal: 9, OutOfMemory: false, Error: null };

    private static string Name(int signal) => signal switch
    {
        4 => " (illegal instruction)",
        6 => " (aborted)",
        7 => " (bus error)",
        8 => " (arithmetic error)",
        9 => " (killed)",
        11 => " (invalid memory access)",
        15 => " (terminated)",
        31 => " (forbidden system call)",
        _ => "",
    };
}
