using System.Collections.Immutable;
using System.ComponentModel;
using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;
using Dormouse.Launcher.Kernel;
using Dormouse.Launcher.Networking;
using Dormouse.Launcher.Workers;
using Dormouse.Protocol.Launching;

namespace Dormouse.Launcher.Sandboxing;

/// <summary>Starts workers in sandboxes, and says how what happened in one is to be read from outside.</summary>
/// <param name="filter">The system call filter, a file in memory.</param>
/// <param name="server">Name of the server's cgroups.</param>
internal sealed class Sandbox(Spawner spawner, SandboxCommand command, int filter, SandboxDoor door, string server) : IEnclosure
{
    private const int WaitingConnections = 512;
    private const uint Everybody = 0x1B6; // rw-rw-rw-; the folder of the sockets lets nobody in.
    private static readonly bool IsAdministrator = Libc.EffectiveUser() == 0;

    /// <summary>As <c>filter</c>, for workers that may be templates; null = not asked for yet, -1 = there is none here.</summary>
    private int? _askingFilter;

    public SandboxDoor Door => door;

    public bool KeepsForksApart => (_askingFilter ??= SandboxDoor.CanListen ? SystemCallFilter.Make(out _, asks: true) : -1) >= 0;

    public SandboxUser UserOf(long worker) => IsAdministrator ? SandboxUser.For(server, worker) : new(null);

    public int Start(WorkerStart start, SandboxRequest request, ImmutableArray<(string Here, string Inside)> views, int processesMax, out int process)
    {
        Span<int> inherited = stackalloc int[6];
        inherited.Fill(-1);
        var user = UserOf(start.Number);
        var id = user.Number ?? Libc.EffectiveUser();
        try
        {
            if (start.SocketPath is { } path)
            {
                inherited[0] = Descriptors.MoveHigh(Descriptors.ListenOn(path, WaitingConnections));
                if (Libc.ChangeMode(path, Everybody) != 0)
                    throw new IOException($"its socket could not be opened to it ({Descriptors.Words(Marshal.GetLastPInvokeError())})");
            }

            // Opened anew: whoever reads a descriptor moves it for everybody who has the same.
            inherited[1] = Descriptors.MoveHigh(Libc.Open($"/proc/self/fd/{(request.Forks && KeepsForksApart ? _askingFilter : filter)}", Libc.OpenRead | Libc.OpenCloseOnExec, 0));
            var next = 2;
            foreach (var (made, text) in SystemFolders.MadeUp(id, request.Network is null ? null : OutboundRules.Resolver))
                inherited[next++] = FileOf(Path.GetFileName(made), text);
            var variables = start.Environment.SetItem("HOME", "/tmp").SetItem("TMPDIR", "/tmp").SetItem("USER", "dormouse").SetItem("LOGNAME", "dormouse");
            var whole = start with { Command = command.For(user, request, views, start.SocketPath, processesMax, start.Command), Environment = variables };
            return spawner.Start(whole, inherited, out process);
        }
        catch (Exception exception) when (exception is Win32Exception or ArgumentException)
        {
            throw new IOException(exception.Message, exception);
        }
        finally
        {
            foreach (var descriptor in inherited)
                Descriptors.Close(descriptor);
        }
    }

    /// <summary>
    /// The worker itself, as this machine numbers it: bubblewrap's outer process has one child, the sandbox's first process, and that has the worker. 0 while it is not there, or where the kernel does not say.
    /// </summary>
    /// <param name="outer">Process that was started.</param>
    public static int WorkerOf(int outer) => ChildOf(ChildOf(outer));

    /// <summary>A process that the sandbox's first one has adopted, as this machine numbers it; 0 = there is none of this number.</summary>
    /// <param name="outer">Process that was started.</param>
    /// <param name="inside">Its number in the sandbox.</param>
    public static int ProcessIn(int outer, int inside) =>
        ChildrenOf(ChildOf(outer)).FirstOrDefault(child => Status(child, "NSpid:").Split('\t', StringSplitOptions.RemoveEmptyEntries) is [.., var last] && last == inside.ToString(CultureInfo.InvariantCulture));

    /// <summary>What a process of a sandbox may that none may, a clause; null = nothing.</summary>
    public static string? Gap(int process) =>
        Status(process, "Seccomp:") != "2" ? "the system call filter is not in force"
        : Status(process, "NoNewPrivs:") != "1" ? "privileges can be gained"
        : Status(process, "Uid:").Split('\t').Contains("0") ? "it is the administrator's"
        : ((string[])["CapEff:", "CapPrm:", "CapInh:", "CapAmb:"]).Any(set => Status(process, set).Trim('0').Length > 0) ? "it has capabilities"
        : null;

    /// <summary>How the worker ended, as bubblewrap passes it on: 128 and the signal, where one ended it.</summary>
    public static (int? ExitCode, int? Signal) EndOf(int? exitCode, int? signal)
    {
        const int SignalsFrom = 128, LastSignal = 64;
        return exitCode is > SignalsFrom and <= SignalsFrom + LastSignal ? (null, exitCode - SignalsFrom) : (exitCode, signal);
    }

    public void Found(WorkerProcess worker)
    {
        // It is where the launcher has put it.
    }

    public void Clear(string name)
    {
        // All of a sandbox ends with its processes.
    }

    /// <summary>The first child of a process; 0 while there is none, or where the kernel does not say.</summary>
    public static int ChildOf(int process)
    {
        if (process <= 0)
            return 0;
        try
        {
            // A child is that of the thread that started it.
            foreach (var thread in Directory.EnumerateDirectories($"/proc/{process}/task"))
            {
                if (int.TryParse(File.ReadAllText($"{thread}/children").Split(' ')[0], CultureInfo.InvariantCulture, out var child))
                    return child;
            }
        }
        catch (IOException)
        {
            // It has ended, or a thread of it.
        }

        return 0;
    }

    /// <summary>Value of a line of a process's status; "" when it is not known.</summary>
    private static string Status(int process, string key)
    {
        try
        {
            return File.ReadLines($"/proc/{process}/status").FirstOrDefault(line => line.StartsWith(key, StringComparison.Ordinal))?[key.Length..].Trim() ?? "";
        }
        catch (IOException)
        {
            return "";
        }
    }

    private static IEnumerable<int> ChildrenOf(int process)
    {
        try
        {
            return process <= 0 ? [] : [.. File.ReadAllText($"/proc/{process}/task/{process}/children").Split(' ', StringSplitOptions.RemoveEmptyEntries)
                .Select(text => int.TryParse(text, CultureInfo.InvariantCulture, out var child) ? child : 0).TakeWhile(child => child > 0)];
        }
        catch (IOException)
        {
            return [];
        }
    }

    private static int FileOf(string name, string text) => Descriptors.MoveHigh(Descriptors.FileOf(name, Encoding.ASCII.GetBytes(text)));
}
