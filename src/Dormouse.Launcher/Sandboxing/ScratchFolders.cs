using System.Collections.Immutable;
using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;
using Dormouse.Launcher.Kernel;
using Dormouse.Protocol.Launching;

namespace Dormouse.Launcher.Sandboxing;

/// <summary>Folders for temporary files, as a sandbox gets them from bubblewrap, for a fork that has mounts of its own. The same stand in python/dormouse/runner/door.py.</summary>
internal static unsafe class ScratchFolders
{
    private const ulong NoSetUser = 2, NoDevices = 4;
    private const nuint SetText = 1, Create = 6, CloseOnExec = 1;
    private const long SecretsBytes = 1 << 20;

    /// <summary>Where they are, and the size of each.</summary>
    /// <param name="bytes">Size of each that is not for secrets.</param>
    public static ImmutableArray<(string Place, long Bytes)> Sizes(long bytes) => [("/tmp", bytes), ("/dev/shm", bytes), (SandboxRequest.SecretsPath, SecretsBytes)];

    /// <summary>Makes them, attached nowhere: each a descriptor and the place where it belongs. Throws away what was made when one cannot be.</summary>
    /// <param name="bytes">Size of each that is not for secrets.</param>
    public static ImmutableArray<(int Tree, string Place)> Make(long bytes, out string problem)
    {
        problem = "";
        var made = ImmutableArray.CreateBuilder<(int, string)>();
        foreach (var (place, size) in Sizes(bytes))
        {
            var tree = MakeOne(size);
            if (tree < 0)
            {
                problem = $"a file system for temporary files could not be made ({Descriptors.Words(Marshal.GetLastPInvokeError())})";
                Close(made.ToImmutable());
                return [];
            }

            made.Add((tree, place));
        }

        return made.ToImmutable();
    }

    public static void Close(ImmutableArray<(int Tree, string Place)> folders)
    {
        foreach (var (tree, _) in folders)
            Descriptors.Close(tree);
    }

    private static int MakeOne(long bytes)
    {
        fixed (byte* kind = "tmpfs\0"u8, size = "size\0"u8, mode = "mode\0"u8, open = "1777\0"u8, text = Encoding.ASCII.GetBytes(bytes.ToString(CultureInfo.InvariantCulture) + '\0'))
        {
            var system = (int)Libc.SystemCall(Libc.CallFileSystemOpen, (nuint)kind, CloseOnExec, 0);
            if (system < 0)
                return -1;
            var works = Libc.SystemCall(Libc.CallFileSystemSet, system, (byte*)SetText, (nint)size, text, 0) == 0
                && Libc.SystemCall(Libc.CallFileSystemSet, system, (byte*)SetText, (nint)mode, open, 0) == 0
                && Libc.SystemCall(Libc.CallFileSystemSet, system, (byte*)Create, 0, null, 0) == 0;
            var tree = works ? (int)Libc.SystemCall(Libc.CallFileSystemMount, (nuint)system, CloseOnExec, (nuint)(NoSetUser | NoDevices)) : -1;
            var error = Marshal.GetLastPInvokeError();
            Descriptors.Close(system);
            Marshal.SetLastPInvokeError(error);
            return tree;
        }
    }
}
