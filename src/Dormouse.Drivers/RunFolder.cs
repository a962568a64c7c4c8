using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;

namespace Dormouse.Drivers;

/// <summary>The short folder that a server's sockets live in: a socket's path may have at most 107 bytes, a data folder's may be longer.</summary>
public static unsafe partial class RunFolder
{
    /// <summary>Longest path of a run folder, bytes: room is left for the names of the sockets.</summary>
    public const int PathBytesMax = 76;

    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;

    /// <summary>
    /// The run folder that belongs to a data folder, made when it is not there: below <c>XDG_RUNTIME_DIR</c> when that is set and short enough, else in <c>/tmp</c>.
    /// </summary>
    /// <exception cref="IOException">The folder exists and belongs to another user, or others may write to it.</exception>
    public static string For(string dataFolder) => For(dataFolder, Environment.GetEnvironmentVariable("XDG_RUNTIME_DIR"), "/tmp");

    /// <summary>Name that is the same for the same data folder and another for another: also good for a cgroup.</summary>
    public static string NameFor(string dataFolder)
    {
        var path = Path.TrimEndingDirectorySeparator(Path.GetFullPath(dataFolder));
        return "dormouse-" + Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(path)).AsSpan(0, 6));
    }

    /// <summary>It is a folder, no link, and belongs to this user.</summary>
    internal static bool IsOfThisUser(string path)
    {
        const int KindMask = 0xF000, Folder = 0x4000;
        try
        {
            var (user, mode) = Status(path);
            return user == EffectiveUser() && (mode & KindMask) == Folder;
        }
        catch (IOException)
        {
            return false;
        }
    }

    internal static string For(string dataFolder, string? runtimeFolder, string temporaryFolder)
    {
        var name = NameFor(dataFolder);
        if (!string.IsNullOrEmpty(runtimeFolder) && Directory.Exists(runtimeFolder))
        {
            var path = Path.Combine(runtimeFolder, name);
            if (Encoding.UTF8.GetByteCount(path) <= PathBytesMax)
                return Secure(path);
        }

        return Secure(Path.Combine(temporaryFolder, name.Replace("dormouse-", $"dormouse-{EffectiveUser()}-", StringComparison.Ordinal)));
    }

    /// <summary>Makes it when it is not there.</summary>
    internal static void Make(string path)
    {
        if (OperatingSystem.IsWindows())
            throw new PlatformNotSupportedException("Workers are started on Linux only.");
        Directory.CreateDirectory(path, OwnerOnly);
    }

    private static string Secure(string path)
    {
        Make(path);
        // Anyone can make a folder of this name in /tmp, or a link: what it is now is what counts.
        var (user, mode) = Status(path);
        const int KindMask = 0xF000, Folder = 0x4000, OthersMayWrite = 0x12;
        if (user != EffectiveUser() || (mode & KindMask) != Folder || (mode & OthersMayWrite) != 0)
        {
            throw new IOException(
                $"The run folder {path} is not a folder of this user alone (owner {user}, mode {Convert.ToString(mode & 0xFFF, 8)}). Remove it, or set XDG_RUNTIME_DIR to a folder of your own.");
        }

        if (!OperatingSystem.IsWindows())
            File.SetUnixFileMode(path, OwnerOnly);
        return path;
    }

    private static (uint User, int Mode) Status(string path)
    {
        const int CurrentFolder = -100, NoFollow = 0x100;
        const uint BasicFields = 0x7FF;
        const int UserOffset = 20, ModeOffset = 28;
        // struct statx is the same on every architecture.
        var status = stackalloc byte[256];
        if (StatX(CurrentFolder, path, NoFollow, BasicFields, status) != 0)
            throw new IOException($"The run folder {path} cannot be examined: {Marshal.GetPInvokeErrorMessage(Marshal.GetLastPInvokeError())}.");
        return (*(uint*)(status + UserOffset), *(ushort*)(status + ModeOffset));
    }

    [LibraryImport("libc", EntryPoint = "geteuid")]
    private static partial uint EffectiveUser();

    [LibraryImport("libc", EntryPoint = "statx", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int StatX(int folder, string path, int flags, uint mask, byte* status);
}
