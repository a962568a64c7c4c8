using System.Runtime.InteropServices;

namespace Dormouse.Bench;

internal static partial class Native
{
    /// <summary>Gives free heap pages back to the kernel.</summary>
    public static void Trim() => _ = MallocTrim(0);

    [LibraryImport("libc", EntryPoint = "malloc_trim")]
    private static partial int MallocTrim(nuint pad);
}
