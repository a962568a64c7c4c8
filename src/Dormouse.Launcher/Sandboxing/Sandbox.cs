using System.Collections.Immutable;
using System.ComponentModel;
using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;
using Dormouse.Launcher.Kernel;
using Dormouse.Launcher.Workers;
using Dormouse.Protocol.Launching;

namespace Dormouse.Launcher.Sandboxing;

/// <summary>Starts workers in sandboxes, and says how what happened in one is to be read from outside.</summary>
/// <param name="filter">The system call filter, a file in memory.</param>
/// <param name="server">Name of the server's cgroups.</param>
internal sealed class Sandbox(Spawner spawner, SandboxCommand command, int filter, SandboxDoor door, string server)
{
    private const int WaitingConnections = 512;
    private const uint Everybody = 0x1B6; // rw-rw-rw-; the folder of the sockets lets nobody in.
    private static readonly bool IsAdministrator = Libc.EffectiveUser() == 0;

    public SandboxDoor Door => door;

    public SandboxUser UserOf(long worker) => IsAdministrator ? SandboxUser.For(server, worker) : new(null);

    /// <summary>Starts a worker. Returns 0 or the error number.</summary>
    /// <param name="views">Its own cgroups: folder here, and where it sees it.</param>
    /// <param name="processesMax">Bound of processes and threads where no cgroup has one; 0 = none here.</param>
    /// <exception cref="IOException">The sandbox could not be prepared.</exception>
    public int Start(WorkerStart start, SandboxRequest request, ImmutableArray<(string Here, string Inside)> views, int processesMax, out int process)
    {
        Span<int> inherited = stackalloc int[5];
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
            inherited[1] = Descriptors.MoveHigh(Libc.Open($"/proc/self/fd/{filter}", Libc.OpenRead | Libc.OpenCloseOnExec, 0));
            inherited[2] = FileOf("passwd", $"root:x:0:0::/:/usr/sbin/nologin\ndormouse:x:{id}:{id}::/tmp:/usr/sbin/nologin\n");
            inherited[3] = FileOf("group", $"root:x:0:\ndormouse:x:{id}:\n");
            inherited[4] = FileOf("hosts", "127.0.0.1 localhost\n::1 localhost\n");
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

    /// <summary>How the worker ended, as bubblewrap passes it on: 128 and the signal, where one ended it.</summary>
    public static (int? ExitCode, int? Signal) EndOf(int? exitCode, int? signal)
    {
        const int SignalsFrom = 128, LastSignal = 64;
        return exitCode is > SignalsFrom and <= SignalsFrom + LastSignal ? (null, exitCode - SignalsFrom) : (exitCode, signal);
    }

    private static int ChildOf(int process)
    {
        try
        {
            return process > 0 && int.TryParse(File.ReadAllText($"/proc/{process}/task/{process}/children").Split(' ')[0], CultureInfo.InvariantCulture, out var child) ? child : 0;
        }
        catch (IOException)
        {
            return 0;
        }
    }

    private static int FileOf(string name, string text) => Descriptors.MoveHigh(Descriptors.FileOf(name, Encoding.ASCII.GetBytes(text)));
}
