using System.Collections.Immutable;
using System.Globalization;
using System.Runtime.InteropServices;
using Dormouse.Launcher.Kernel;
using Dormouse.Launcher.Sandboxing;

namespace Dormouse.Launcher.Workers;

/// <summary>
/// Starts programs. A shell of a few instructions stands between: it writes itself into its cgroups, makes itself the kernel's first choice when
/// memory runs out, and becomes the program; so no instruction of the program runs outside its limits.
/// Must be used from the launcher's main thread only: the child dies with the thread that started it (<c>--pdeathsig</c>).
/// </summary>
internal sealed unsafe class Spawner
{
    /// <summary>The worker's end of its control socket.</summary>
    public const int ControlDescriptor = 3;

    private const string Shell = "/bin/sh";
    private const string Shim =
        """
        n=$1; shift
        while [ "$n" -gt 0 ]; do echo 0 > "$1" || exit 126; shift; n=$((n-1)); done
        echo 500 > /proc/self/oom_score_adj 2>/dev/null || :
        exec "$@"
        """;

    private const int AttributeBytes = 1024; // glibc needs 336, musl less.
    private static readonly string[] SetPrivilegesPaths = ["/usr/bin/setpriv", "/bin/setpriv"];
    private readonly int _nothing = Libc.Open("/dev/null", Libc.OpenRead | Libc.OpenCloseOnExec, 0);
    private readonly ImmutableArray<string> _prefix;
    private readonly ImmutableArray<string> _keepingPrefix;

    public Spawner()
    {
        _prefix = [];
        _keepingPrefix = [];
        SetPrivileges = Array.Find(SetPrivilegesPaths, File.Exists);
        if (SetPrivileges is { } path)
        {
            // What a launcher may do in its own namespaces is not for its children.
            ImmutableArray<string> dropped = OwnNamespaces.IsInside ? ["--ambient-caps", "-all", "--inh-caps", "-all"] : [];
            ImmutableArray<string> prefix = [path, "--pdeathsig", "KILL", .. dropped, "--"];
            if (Run([], [.. prefix, Shell, "-c", ":"]) == 0)
            {
                _prefix = prefix;
                _keepingPrefix = [path, "--pdeathsig", "KILL", "--"];
            }
        }
    }

    /// <summary>True: the kernel itself kills a child when the launcher dies, even one that never looks at its control socket.</summary>
    public bool DiesWithLauncher => !_prefix.IsEmpty;

    /// <summary>Path of setpriv; null = there is none.</summary>
    public string? SetPrivileges { get; }

    /// <summary>Starts a program in a session of its own. Returns 0 or the error number.</summary>
    /// <param name="inherited">Become descriptors 4, 5, …; each must be a high number itself. -1 = none in this place.</param>
    public int Start(WorkerStart start, ReadOnlySpan<int> inherited, out int process)
    {
        using var arguments = new NativeStrings(
            [Shell, "-c", Shim, "dormouse-worker", start.Places.Length.ToString(CultureInfo.InvariantCulture), .. start.Places, .. start.OutlivesLauncher ? [] : start.KeepsPowers ? _keepingPrefix : _prefix, .. start.Command]);
        using var variables = new NativeStrings([.. start.Environment.Select(entry => $"{entry.Key}={entry.Value}")]);
        var actions = stackalloc byte[AttributeBytes];
        var attributes = stackalloc byte[AttributeBytes];
        var signals = stackalloc byte[128];
        _ = Libc.FileActionsInit(actions);
        _ = Libc.FileActionsDuplicate(actions, _nothing, 0);
        _ = Libc.FileActionsDuplicate(actions, start.Output, 1);
        _ = Libc.FileActionsDuplicate(actions, start.Output, 2);
        if (start.Control >= 0)
            _ = Libc.FileActionsDuplicate(actions, start.Control, ControlDescriptor);
        for (var i = 0; i < inherited.Length; i++)
        {
            if (inherited[i] >= 0)
                _ = Libc.FileActionsDuplicate(actions, inherited[i], ControlDescriptor + 1 + i);
        }

        _ = Libc.AttributesInit(attributes);
        _ = Libc.AttributesFlags(attributes, Libc.SpawnSignalDefaults | Libc.SpawnSignalMask | Libc.SpawnNewSession);
        new Span<byte>(signals, 128).Clear();
        _ = Libc.AttributesSignalMask(attributes, signals);
        new Span<byte>(signals, 128).Fill(0xFF);
        _ = Libc.AttributesSignalDefaults(attributes, signals);
        int started;
        var error = Libc.Spawn(&started, arguments.Pointer[0], actions, attributes, arguments.Pointer, variables.Pointer);
        _ = Libc.AttributesDestroy(attributes);
        _ = Libc.FileActionsDestroy(actions);
        process = error == 0 ? started : 0;
        return error;
    }

    /// <summary>Runs a short program to its end: its exit code, or -1 when it did not run or a signal ended it.</summary>
    public int Run(ImmutableArray<string> places, ImmutableArray<string> command) =>
        Start(new WorkerStart { Places = places, Command = command, Output = _nothing }, [], out var process) == 0 ? Wait(process) : -1;

    /// <summary>Kills a program of <see cref="Start"/> and waits for its end; 0 = there is none.</summary>
    public static void End(int process)
    {
        if (process == 0)
            return;
        _ = Libc.Kill(process, Libc.SignalKill);
        _ = Wait(process);
    }

    private static int Wait(int process)
    {
        int status;
        while (Libc.Wait(process, &status, 0, null) < 0)
        {
            if (Marshal.GetLastPInvokeError() != Libc.Interrupted)
                return -1;
        }

        return (status & 0x7F) == 0 ? (status >> 8) & 0xFF : -1;
    }
}
