using System.Collections.Immutable;
using System.Globalization;
using System.Runtime.InteropServices;
using Dormouse.Launcher.Kernel;

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

    public Spawner()
    {
        _prefix = [];
        if (Array.Find(SetPrivilegesPaths, File.Exists) is { } path)
        {
            ImmutableArray<string> prefix = [path, "--pdeathsig", "KILL", "--"];
            _prefix = Run([], [.. prefix, Shell, "-c", ":"]) == 0 ? prefix : [];
        }
    }

    /// <summary>True: the kernel itself kills a child when the launcher dies, even one that never looks at its control socket.</summary>
    public bool DiesWithLauncher => !_prefix.IsEmpty;

    /// <summary>Starts a program in a session of its own. Returns 0 or the error number.</summary>
    /// <param name="places">Files that the child writes "0" to before it runs the program.</param>
    /// <param name="control">Becomes descriptor 3; -1 = none.</param>
    /// <param name="output">Becomes descriptors 1 and 2.</param>
    public int Start(
        ImmutableArray<string> places, ImmutableArray<string> command, IEnumerable<KeyValuePair<string, string>> environment, int control, int output, out int process)
    {
        using var arguments = new NativeStrings(
            [Shell, "-c", Shim, "dormouse-worker", places.Length.ToString(CultureInfo.InvariantCulture), .. places, .. _prefix, .. command]);
        using var variables = new NativeStrings([.. environment.Select(entry => $"{entry.Key}={entry.Value}")]);
        var actions = stackalloc byte[AttributeBytes];
        var attributes = stackalloc byte[AttributeBytes];
        var signals = stackalloc byte[128];
        _ = Libc.FileActionsInit(actions);
        _ = Libc.FileActionsDuplicate(actions, _nothing, 0);
        _ = Libc.FileActionsDuplicate(actions, output, 1);
        _ = Libc.FileActionsDuplicate(actions, output, 2);
        if (control >= 0)
            _ = Libc.FileActionsDuplicate(actions, control, ControlDescriptor);
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
    public int Run(ImmutableArray<string> places, ImmutableArray<string> command)
    {
        if (Start(places, command, [], control: -1, _nothing, out var process) != 0)
            return -1;
        int status;
        while (Libc.Wait(process, &status, 0, null) < 0)
        {
            if (Marshal.GetLastPInvokeError() != Libc.Interrupted)
                return -1;
        }

        return (status & 0x7F) == 0 ? (status >> 8) & 0xFF : -1;
    }
}
