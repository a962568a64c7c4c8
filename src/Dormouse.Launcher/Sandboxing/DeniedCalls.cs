using System.Collections.Immutable;

namespace Dormouse.Launcher.Sandboxing;

/// <summary>
/// The system calls that a sandboxed worker is refused; docs/spec/sandbox.md lists them for users, with reasons, and a test compares the two. Everything else is allowed: what instances run is
/// anybody's code, and the namespaces, the missing capabilities and the read-only system hold where a call is not listed.
/// </summary>
internal static class DeniedCalls
{
    /// <summary>Answered with "operation not permitted", whatever their arguments are.</summary>
    public static readonly ImmutableArray<string> Always =
    [
        // Mounts and roots.
        "mount", "umount", "umount2", "pivot_root", "chroot", "move_mount", "open_tree", "fsopen", "fsconfig", "fsmount", "fspick", "mount_setattr",
        // Namespaces.
        "setns", "unshare",
        // Other processes.
        "ptrace", "process_vm_readv", "process_vm_writev", "process_madvise", "kcmp", "pidfd_getfd",
        // Files by handle, past every folder's permissions.
        "open_by_handle_at", "name_to_handle_at",
        // Large doors into the kernel.
        "bpf", "perf_event_open", "userfaultfd", "io_uring_setup", "io_uring_enter", "io_uring_register", "fanotify_init",
        // Keys are not in any namespace.
        "add_key", "request_key", "keyctl",
        // The machine itself.
        "kexec_load", "kexec_file_load", "init_module", "finit_module", "delete_module", "create_module", "query_module", "get_kernel_syms",
        "reboot", "swapon", "swapoff", "acct", "quotactl", "quotactl_fd", "syslog", "iopl", "ioperm", "modify_ldt", "vm86", "vm86old", "vhangup",
        "settimeofday", "stime", "clock_settime", "clock_settime64", "clock_adjtime", "clock_adjtime64", "adjtimex", "sethostname", "setdomainname",
        // Another execution domain, and calls that nothing uses any more.
        "personality", "lookup_dcookie", "nfsservctl", "uselib", "ustat", "sysfs", "_sysctl",
    ];

    /// <summary>Answered with "no such system call": a C library then takes <c>clone</c>, whose flags can be looked at.</summary>
    public const string Missing = "clone3";

    /// <summary>Flags of <c>clone</c> that make namespaces: mount, cgroup, uts, ipc, user, pid, network.</summary>
    public static readonly ImmutableArray<uint> CloneFlags = [0x20000, 0x02000000, 0x04000000, 0x08000000, 0x10000000, 0x20000000, 0x40000000];

    /// <summary>Flags of the one <c>unshare</c> that a fork of a template may be allowed: mount, ipc and user namespace. The same stand in python/dormouse/runner/door.py.</summary>
    public const uint PartingFlags = 0x20000 | 0x08000000 | 0x10000000;

    /// <summary>Requests of <c>ioctl</c> that put words into a terminal's mouth: TIOCSTI, TIOCLINUX.</summary>
    public static readonly ImmutableArray<uint> TerminalRequests = [0x5412, 0x541C];

    /// <summary>Families of sockets that may be made: Unix, IPv4, IPv6; and of <see cref="Netlink"/> only the protocol that lists the own network (0).</summary>
    public static readonly ImmutableArray<uint> SocketFamilies = [1, 2, 10];

    public const uint Netlink = 16;

    /// <summary>Families up to this number are listed one by one; the kernel itself has none above.</summary>
    public const uint LastSocketFamily = 63;
}
