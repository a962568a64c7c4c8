using System.Collections.Immutable;
using Dormouse.Launcher.Kernel;

namespace Dormouse.Launcher.Networking;

/// <summary>The programs that a way to the network is made with: paths.</summary>
internal sealed record UplinkPrograms(string Slirp, string Nft, string Enter)
{
    private const string Device = "/dev/net/tun";
    private static readonly ImmutableArray<string> Folders = ["/usr/sbin", "/usr/bin", "/sbin", "/bin", "/usr/local/sbin", "/usr/local/bin"];

    /// <summary>Null and why, a clause, when something is missing. It is looked for only: that it works is tried with the first sandbox that wants it.</summary>
    public static UplinkPrograms? Find(out string? problem)
    {
        problem = null;
        var slirp = Find("slirp4netns");
        var nft = Find("nft");
        var enter = Find("nsenter");
        if (slirp is null)
            problem = "the program slirp4netns is missing; 'apt-get install slirp4netns' installs it";
        else if (nft is null)
            problem = "the program nft is missing; 'apt-get install nftables' installs it";
        else if (enter is null)
            problem = "the program nsenter is missing; it is in the package util-linux";
        else
            problem = DeviceProblem();
        return problem is null ? new(slirp!, nft!, enter!) : null; // Not null: the branches above would have been taken.
    }

    private static string? DeviceProblem()
    {
        var descriptor = Libc.Open(Device, Libc.OpenReadWrite | Libc.OpenCloseOnExec, 0);
        if (descriptor < 0)
            return $"{Device} cannot be opened by the server's user ({Descriptors.Words(System.Runtime.InteropServices.Marshal.GetLastPInvokeError())}); load the kernel's module tun, or 'chmod 666 {Device}'";
        Descriptors.Close(descriptor);
        return null;
    }

    private static string? Find(string program) => Folders.Select(folder => Path.Combine(folder, program)).FirstOrDefault(File.Exists);
}
