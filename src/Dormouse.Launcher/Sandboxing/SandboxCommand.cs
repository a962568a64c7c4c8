using System.Collections.Immutable;
using System.Globalization;
using Dormouse.Protocol.Launching;

namespace Dormouse.Launcher.Sandboxing;

/// <summary>The command line of bubblewrap for one worker: what the worker is, is in docs/spec/sandbox.md.</summary>
/// <param name="bubblewrap">Path of the program.</param>
/// <param name="setPrivileges">Path of setpriv.</param>
/// <param name="system">What of the system it sees, as <see cref="SystemFolders.Arguments"/> found it.</param>
internal sealed class SandboxCommand(string bubblewrap, string setPrivileges, ImmutableArray<string> system)
{
    // Descriptors that bubblewrap reads and closes; the worker gets none of them.
    public const int FilterDescriptor = SandboxRequest.ListenerDescriptor + 1, UsersDescriptor = FilterDescriptor + 1, GroupsDescriptor = UsersDescriptor + 1, HostsDescriptor = GroupsDescriptor + 1, ResolverDescriptor = HostsDescriptor + 1;

    private const string SetLimit = "/usr/bin/prlimit";
    private const string Open = "1777", Readable = "0644", OwnerWrites = "0755", SecretsBytes = "1048576", RunBytes = "65536";

    /// <param name="views">Its own cgroups: folder here, and where it sees it.</param>
    /// <param name="socketPath">Socket on which it serves; null = none (a probe).</param>
    /// <param name="processesMax">Bound of processes and threads where no cgroup has one; 0 = none here. Set from inside, where only the worker's own are counted.</param>
    /// <param name="command">What runs in it.</param>
    public ImmutableArray<string> For(
        SandboxUser user, SandboxRequest request, ImmutableArray<(string Here, string Inside)> views, string? socketPath, int processesMax, ImmutableArray<string> command)
    {
        var size = request.ScratchBytes.ToString(CultureInfo.InvariantCulture);
        var arguments = ImmutableArray.CreateBuilder<string>();
        arguments.AddRange(
            bubblewrap, "--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try", "--hostname", "dormouse", "--new-session", "--die-with-parent");
        // An ordinary user needs a user namespace, and gets no further in it than the same user. The administrator's launcher makes the sandbox as itself, and inside it the worker becomes nobody known:
        // a user namespace made by it would make the worker, to the machine, the administrator.
        if (user.Number is null)
            arguments.AddRange("--unshare-user", "--cap-drop", "ALL");
        else
            arguments.AddRange("--cap-drop", "ALL", "--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID", "--cap-add", "CAP_SETPCAP");
        arguments.AddRange(system);
        arguments.AddRange("--proc", "/proc", "--dev", "/dev");
        arguments.AddRange("--perms", Open, "--size", size, "--tmpfs", "/dev/shm", "--remount-ro", "/dev");
        arguments.AddRange("--perms", Open, "--size", size, "--tmpfs", "/tmp", "--symlink", "../tmp", "/var/tmp");
        if (user.Number is null)
            arguments.AddRange("--dir", "/run");
        else
            arguments.AddRange("--perms", OwnerWrites, "--size", RunBytes, "--tmpfs", "/run"); // The owner is the administrator, who is nobody here: CRIU notes there what it found out about the kernel.
        arguments.AddRange("--perms", Open, "--size", SecretsBytes, "--tmpfs", SandboxRequest.SecretsPath, "--dir", SandboxRequest.PackagePath);
        var made = new HashSet<string> { "/etc", "/run", "/tmp", "/proc", "/dev" };
        arguments.AddRange("--dir", "/etc", "--perms", Readable, "--file", Text(UsersDescriptor), "/etc/passwd");
        arguments.AddRange("--perms", Readable, "--file", Text(GroupsDescriptor), "/etc/group", "--perms", Readable, "--file", Text(HostsDescriptor), "/etc/hosts");
        if (request.Network is not null)
            arguments.AddRange("--perms", Readable, "--file", Text(ResolverDescriptor), "/etc/resolv.conf");
        foreach (var (here, inside) in views)
            Show(here, inside);
        foreach (var folder in request.ReadOnlyFolders)
        {
            if (!SystemFolders.Show(folder))
                Show(folder, folder);
        }

        if (socketPath is not null)
            arguments.AddRange("--ro-bind", socketPath, SandboxRequest.SocketPath);
        arguments.AddRange("--remount-ro", "/", "--chdir", "/tmp", "--seccomp", Text(FilterDescriptor), "--");
        if (user.Number is { } number)
        {
            arguments.AddRange(
                setPrivileges, "--reuid", Text(number), "--regid", Text(number), "--clear-groups", "--inh-caps", "-all", "--bounding-set", "-all", "--no-new-privs", "--");
        }

        if (processesMax > 0 && File.Exists(SetLimit))
            arguments.AddRange(SetLimit, $"--nproc={Text(processesMax)}:{Text(processesMax)}", "--");
        arguments.AddRange(command);
        return arguments.ToImmutable();

        void Show(string here, string inside)
        {
            SystemFolders.AddParents(arguments, inside, made);
            arguments.AddRange("--ro-bind", here, inside);
        }
    }

    private static string Text(long number) => number.ToString(CultureInfo.InvariantCulture);
}
