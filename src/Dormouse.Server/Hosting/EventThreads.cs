namespace Dormouse.Server.Hosting;

/// <summary>
/// The runtime hands every socket event from the thread that waits for it to a pool thread, and Kestrel once more to another; a call through the gateway
/// waits for four such wake-ups. Nothing on the way of a call blocks its thread for long, so the waiting thread can do the work itself (decision 0016);
/// what does block (writing, flushing and hashing uploads, laying out a package, compressing an answer) goes to a thread of the pool first.
/// </summary>
internal static class EventThreads
{
    private const string Switch = "DOTNET_SYSTEM_NET_SOCKETS_INLINE_COMPLETIONS";

    /// <summary>Call it before the process's first socket: the runtime reads the switch once. What the user has set stays.</summary>
    public static void RunInline()
    {
        if (string.IsNullOrEmpty(Environment.GetEnvironmentVariable(Switch)))
        {
            Environment.SetEnvironmentVariable(Switch, "1");
        }
    }
}
