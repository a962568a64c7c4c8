using System.Runtime.CompilerServices;

namespace Dormouse.Storage.Blobs;

/// <summary>
/// The server's callers come on the threads that wait for all sockets (decision 0016). Before work that blocks (a write, a flush, a hash) it goes on on a
/// thread of the pool, where it holds up nobody else.
/// </summary>
internal static class PoolThread
{
    /// <summary>Awaiting it always changes the thread.</summary>
    public static ConfiguredTaskAwaitable Go() => Task.CompletedTask.ConfigureAwait(ConfigureAwaitOptions.ForceYielding);
}
