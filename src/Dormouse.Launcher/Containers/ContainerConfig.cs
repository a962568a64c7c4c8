using System.Collections.Immutable;
using System.Globalization;
using System.Runtime.InteropServices;
using System.Text.Json;
using Dormouse.Launcher.Sandboxing;
using Dormouse.Protocol.Launching;

namespace Dormouse.Launcher.Containers;

/// <summary>Writes <c>config.json</c> of a bundle (OCI runtime specification 1.0): the same promises as <see cref="SandboxCommand"/> makes with bubblewrap.</summary>
internal static class ContainerConfig
{
    /// <summary>Stays as the container's first process: ends what a worker leaves, passes on how it ended, and takes the container along when the runtime is killed.</summary>
    private static readonly ImmutableArray<string> First = ["/usr/bin/setpriv", "--pdeathsig", "KILL", "--", "/bin/sh", "-c", "\"$@\"; exit $?", "dormouse-container"];

    private static readonly ImmutableArray<string> Namespaces = ["pid", "network", "ipc", "uts", "mount", "cgroup"];
    private static readonly ImmutableArray<string> NoCapabilities = ["bounding", "effective", "inheritable", "permitted", "ambient"];
    private static readonly ImmutableArray<string> Hidden = ["/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug", "/proc/scsi", "/proc/acpi"];
    private static readonly ImmutableArray<string> ReadOnly = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];
    private const int NotPermitted = 1, NoSuchCall = 38;

    /// <param name="root">Folder that becomes the root, with a place for each bound file or folder or none.</param>
    /// <param name="user">User and group.</param>
    /// <param name="environment">"NAME=value" each.</param>
    /// <param name="shown">Files and folders that it sees read-only: here, and where it sees them.</param>
    /// <param name="forks">Whoever asks for namespaces with <see cref="DeniedCalls.PartingFlags"/> is not refused by this filter: the runner has one of its own before it loads code.</param>
    public static void Write(
        Stream file, string root, uint user, IEnumerable<string> command, IEnumerable<string> environment, IEnumerable<(string Here, string Inside)> shown, SandboxRequest request, bool forks)
    {
        using var json = new Utf8JsonWriter(file);
        json.WriteStartObject();
        json.WriteString("ociVersion", "1.0.2");
        json.WriteString("hostname", "dormouse");
        json.WriteStartObject("root");
        json.WriteString("path", root);
        json.WriteBoolean("readonly", true);
        json.WriteEndObject();
        WriteProcess(json, user, [.. First, .. command], environment);
        json.WriteStartArray("mounts");
        Mount(json, "/proc", "proc", "proc", ["nosuid", "noexec", "nodev"]);
        Mount(json, "/dev", "tmpfs", "tmpfs", ["nosuid", "strictatime", "mode=755", "size=65536"]);
        Mount(json, "/dev/pts", "devpts", "devpts", ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"]);
        foreach (var (place, bytes) in ScratchFolders.Sizes(request.ScratchBytes))
            Mount(json, place, "tmpfs", "tmpfs", ["nosuid", "nodev", "mode=1777", $"size={bytes.ToString(CultureInfo.InvariantCulture)}"]);
        foreach (var (here, inside) in shown)
            Mount(json, inside, "bind", here, ["bind", "ro", "nosuid", "nodev"]);
        json.WriteEndArray();
        json.WriteStartObject("linux");
        json.WriteStartArray("namespaces");
        foreach (var kind in Namespaces)
        {
            json.WriteStartObject();
            json.WriteString("type", kind);
            json.WriteEndObject();
        }

        json.WriteEndArray();
        Words(json, "maskedPaths", Hidden);
        Words(json, "readonlyPaths", ReadOnly);
        WriteFilter(json, forks);
        json.WriteEndObject();
        json.WriteEndObject();
    }

    private static void WriteProcess(Utf8JsonWriter json, uint user, IEnumerable<string> command, IEnumerable<string> environment)
    {
        json.WriteStartObject("process");
        json.WriteBoolean("terminal", false);
        json.WriteStartObject("user");
        json.WriteNumber("uid", user);
        json.WriteNumber("gid", user);
        json.WriteEndObject();
        Words(json, "args", command);
        Words(json, "env", environment);
        json.WriteString("cwd", "/tmp");
        json.WriteBoolean("noNewPrivileges", true);
        json.WriteStartObject("capabilities");
        foreach (var set in NoCapabilities)
            Words(json, set, []);
        json.WriteEndObject();
        json.WriteEndObject();
    }

    private static void Mount(Utf8JsonWriter json, string place, string kind, string source, IEnumerable<string> options)
    {
        json.WriteStartObject();
        json.WriteString("destination", place);
        json.WriteString("type", kind);
        json.WriteString("source", source);
        Words(json, "options", options);
        json.WriteEndObject();
    }

    /// <summary>The rules of <see cref="SystemCallFilter"/> in the specification's words.</summary>
    private static void WriteFilter(Utf8JsonWriter json, bool forks)
    {
        json.WriteStartObject("seccomp");
        json.WriteString("defaultAction", "SCMP_ACT_ALLOW");
        Words(json, "architectures", RuntimeInformation.ProcessArchitecture switch { Architecture.X64 => ["SCMP_ARCH_X86_64"], Architecture.Arm64 => ["SCMP_ARCH_AARCH64"], _ => [] });
        json.WriteStartArray("syscalls");
        Refuse(json, DeniedCalls.Always.Where(call => !forks || call != "unshare"), NotPermitted);
        if (forks)
            Refuse(json, ["unshare"], NotPermitted, (0, DeniedCalls.PartingFlags, null));
        Refuse(json, [DeniedCalls.Missing], NoSuchCall);
        foreach (var flag in DeniedCalls.CloneFlags)
            Refuse(json, ["clone"], NotPermitted, (0, flag, flag));
        foreach (var call in DeniedCalls.TerminalRequests)
            Refuse(json, ["ioctl"], NotPermitted, (1, uint.MaxValue, call));
        for (var family = 0U; family <= DeniedCalls.LastSocketFamily; family++)
        {
            if (DeniedCalls.SocketFamilies.Contains(family))
                continue;
            if (family == DeniedCalls.Netlink)
                Refuse(json, ["socket"], NotPermitted, (0, uint.MaxValue, family), (2, 0, null));
            else
                Refuse(json, ["socket"], NotPermitted, (0, uint.MaxValue, family));
        }

        json.WriteEndArray();
        json.WriteEndObject();
    }

    /// <param name="conditions">All of which must hold: argument, and mask and value, or what it must differ from.</param>
    private static void Refuse(Utf8JsonWriter json, IEnumerable<string> calls, int error, params ReadOnlySpan<(int Argument, uint First, uint? Second)> conditions)
    {
        json.WriteStartObject();
        Words(json, "names", calls);
        json.WriteString("action", "SCMP_ACT_ERRNO");
        json.WriteNumber("errnoRet", error);
        if (!conditions.IsEmpty)
        {
            json.WriteStartArray("args");
            foreach (var (argument, first, second) in conditions)
            {
                json.WriteStartObject();
                json.WriteNumber("index", argument);
                json.WriteNumber("value", first);
                if (second is { } value)
                    json.WriteNumber("valueTwo", value);
                json.WriteString("op", second is null ? "SCMP_CMP_NE" : "SCMP_CMP_MASKED_EQ");
                json.WriteEndObject();
            }

            json.WriteEndArray();
        }

        json.WriteEndObject();
    }

    private static void Words(Utf8JsonWriter json, string name, IEnumerable<string> words)
    {
        json.WriteStartArray(name);
        foreach (var word in words)
            json.WriteStringValue(word);
        json.WriteEndArray();
    }
}
