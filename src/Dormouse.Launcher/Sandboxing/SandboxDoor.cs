using System.Collections.Immutable;
using System.Runtime.InteropServices;
using Dormouse.Launcher.Kernel;
using Dormouse.Protocol.Launching;

namespace Dormouse.Launcher.Sandboxing;

/// <summary>
/// Puts a package into a sandbox that runs already, and opens files for it. A descriptor of a folder outside would let the worker walk up from it (<c>/proc/self/fd/N/../..</c>) into the whole machine; so
/// the launcher steps into the sandbox's mounts, attaches the folder there read-only, and opens it there: whoever walks up from it stays inside.
/// Must be used from the launcher's main thread only, whose view of the file system is its own from <see cref="TryMake"/> on.
/// </summary>
internal sealed unsafe class SandboxDoor
{
    private const int CloneTree = 1, TreeCloseOnExec = Libc.OpenCloseOnExec, EmptyPath = 0x1000, MoveEmptyPath = 4;
    private const ulong ReadOnly = 1, NoSetUser = 2, NoDevices = 4;

    /// <summary>Said instead of a descriptor when the process has ended, or is just ending.</summary>
    public const int Gone = -2;

    /// <summary>The runner knows the numbers of the system calls that it needs to be listened to.</summary>
    public static bool CanListen => RuntimeInformation.ProcessArchitecture is Architecture.X64 or Architecture.Arm64;

    private readonly int _home;

    private SandboxDoor(int home) => _home = home;

    /// <summary>Null where the kernel does not let a thread have a view of its own.</summary>
    public static SandboxDoor? TryMake()
    {
        // A thread that shares its root and working folder with others may not change its mounts.
        if (Libc.Unshare(Libc.CloneFileSystem) != 0)
            return null;
        var home = Libc.Open("/proc/thread-self/ns/mnt", Libc.OpenRead | Libc.OpenCloseOnExec, 0);
        return home < 0 ? null : new(home);
    }

    /// <summary>Shows a folder as the sandbox's package and gives a descriptor of it that cannot lead out; -1 and why when that does not work, <see cref="Gone"/> when there is no sandbox any more.</summary>
    /// <param name="process">A process in the sandbox, as this machine numbers it.</param>
    /// <param name="alive">The same as a descriptor: while it lives its number is not another's. -1 = it is known to live.</param>
    public int ShowPackage(int process, int alive, string folder, out string problem)
    {
        var tree = ReadOnlyTree(folder, out problem);
        if (tree < 0)
            return -1;
        var descriptor = Inside(process, alive, [(tree, SandboxRequest.PackagePath)], opens: true, out problem);
        Descriptors.Close(tree);
        return descriptor;
    }

    /// <summary>Attaches folders for temporary files of its own to a fork that has mounts of its own. False and why when that does not work.</summary>
    /// <param name="bytes">Size of each.</param>
    public bool ShowScratch(int process, int alive, long bytes, out string problem)
    {
        var folders = ScratchFolders.Make(bytes, out problem);
        if (folders.IsEmpty)
            return false;
        var result = Inside(process, alive, folders, opens: false, out problem);
        ScratchFolders.Close(folders);
        return result >= 0;
    }

    /// <summary>Attaches trees inside; the descriptor of the last one opened there, or 0; -1 or <see cref="Gone"/>.</summary>
    private int Inside(int process, int alive, ImmutableArray<(int Tree, string Place)> trees, bool opens, out string problem)
    {
        var mounts = -1;
        try
        {
            mounts = Libc.Open($"/proc/{process}/ns/mnt", Libc.OpenRead | Libc.OpenCloseOnExec, 0);
            // One that is ending has no namespaces any more before it counts as ended.
            if (mounts < 0 || (alive >= 0 && Descriptors.HasEnded(alive)))
            {
                problem = "it has ended";
                return Gone;
            }

            // Whatever thread this one has made meanwhile (the runtime makes some) shares its root and working folder again.
            if (Libc.Unshare(Libc.CloneFileSystem) != 0 || Libc.JoinNamespace(mounts, Libc.NewMounts) != 0)
            {
                problem = $"its sandbox could not be entered ({LastWords()})";
                return -1;
            }

            // Nothing between here and the way back may fail without coming to the way back.
            var descriptor = Attach(trees, opens, out problem);
            if (Libc.JoinNamespace(_home, Libc.NewMounts) != 0)
                Environment.FailFast("The launcher could not leave a sandbox.");
            return descriptor;
        }
        finally
        {
            Descriptors.Close(mounts);
        }
    }

    /// <summary>Opens a file for reading in such a way that nothing can be done to it through the descriptor, by whomever it is owned; -1 and why when that does not work.</summary>
    public static int OpenReadOnly(string file, out string problem)
    {
        var tree = ReadOnlyTree(file, out problem);
        if (tree < 0)
            return -1;
        var descriptor = Libc.Open($"/proc/self/fd/{tree}", Libc.OpenRead | Libc.OpenCloseOnExec, 0);
        if (descriptor < 0)
            problem = LastWords();
        Descriptors.Close(tree);
        return descriptor;
    }

    private static int Attach(ImmutableArray<(int Tree, string Place)> trees, bool opens, out string problem)
    {
        problem = "";
        var descriptor = 0;
        foreach (var (tree, place) in trees)
        {
            fixed (byte* here = "\0"u8, there = System.Text.Encoding.UTF8.GetBytes(place + '\0'))
            {
                if (Libc.SystemCall(Libc.CallMoveMount, tree, here, Libc.CurrentFolder, there, MoveEmptyPath) != 0)
                {
                    problem = $"{place} could not be shown to it ({LastWords()})";
                    return -1;
                }
            }

            descriptor = opens ? Libc.Open(place, Libc.OpenRead | Libc.OpenCloseOnExec, 0) : 0;
            if (descriptor < 0)
                problem = $"{place} could not be opened for it ({LastWords()})";
        }

        return descriptor;
    }

    /// <summary>A mount of its own of a file or folder, attached nowhere, through which nothing can be written.</summary>
    private static int ReadOnlyTree(string path, out string problem)
    {
        problem = "";
        int tree;
        var bytes = System.Text.Encoding.UTF8.GetBytes(path + '\0');
        fixed (byte* start = bytes)
            tree = (int)Libc.SystemCall(Libc.CallOpenTree, Libc.CurrentFolder, start, CloneTree | TreeCloseOnExec, null, 0);
        // struct mount_attr: set, clear, propagation, user namespace.
        var attributes = stackalloc ulong[4] { ReadOnly | NoSetUser | NoDevices, 0, 0, 0 };
        fixed (byte* here = "\0"u8)
        {
            if (tree >= 0 && Libc.SystemCall(Libc.CallMountSetAttributes, tree, here, EmptyPath, attributes, 4 * sizeof(ulong)) == 0)
                return tree;
        }

        problem = LastWords();
        Descriptors.Close(tree);
        return -1;
    }

    private static string LastWords() => Descriptors.Words(Marshal.GetLastPInvokeError());
}
