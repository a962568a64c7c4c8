using System.Collections.Immutable;
using System.Runtime.InteropServices;
using System.Text;
using Dormouse.Launcher.Kernel;
using Dormouse.Launcher.Workers;
using Dormouse.Protocol.Launching;

namespace Dormouse.Launcher.Networking;

/// <summary>
/// A sandbox's way to the network: a process of slirp4netns in the worker's own place (so that traffic is bounded, paid and cleared away with it), which turns what the sandbox sends into connections of its own.
/// Before it has an interface the sandbox has <see cref="OutboundRules"/>. All of it, rules, interface and network, ends with the last process in it; the process ends with the worker, and by itself when the launcher is gone.
/// </summary>
internal sealed class Uplink
{
    // Descriptors of the helping programs.
    private const string Network = "/proc/self/fd/4";
    private const string Make =
        $$"""
        "$1" --net={{Network}} "$2" -f - <&5 || exit 1
        shift 2
        exec "$@"
        """;

    private const int OutputBytesMax = 4096;

    private int _output;
    private int _alive;

    private Uplink(int process, int ready, int output, int alive)
    {
        ProcessId = process;
        Ready = ready;
        _output = output;
        _alive = alive;
    }

    /// <summary>0 once it has ended and is reaped.</summary>
    public int ProcessId { get; private set; }

    /// <summary>Readable when the way is open, or never will be; -1 = it is known.</summary>
    public int Ready { get; private set; }

    /// <summary>Begins to make one.</summary>
    /// <param name="places">Files of the worker's place.</param>
    /// <param name="process">The worker, as this machine numbers it.</param>
    /// <param name="alive">The same as a descriptor.</param>
    /// <exception cref="IOException">It cannot be made; the message is a clause.</exception>
    public static Uplink Begin(Spawner spawner, UplinkPrograms programs, SandboxNetwork network, ImmutableArray<string> places, int process, int alive)
    {
        Span<int> inherited = stackalloc int[4];
        inherited.Fill(-1);
        var ready = -1;
        var output = -1;
        var theirOutput = -1;
        var held = -1;
        try
        {
            inherited[0] = OpenNetwork(process, alive);
            inherited[1] = Descriptors.MoveHigh(Descriptors.FileOf("rules", Encoding.ASCII.GetBytes(OutboundRules.Table(OwnAddresses.Read(), network.AllowNetworks))));
            (ready, var theirReady) = Descriptors.Pipe();
            inherited[2] = Descriptors.MoveHigh(theirReady);
            (var theirAlive, held) = Descriptors.Pipe();
            inherited[3] = Descriptors.MoveHigh(theirAlive);
            (output, theirOutput) = Descriptors.Pipe();
            // Nobody reads what it writes unless it fails: a full pipe must not stop it.
            Descriptors.SetNonBlocking(theirOutput);
            var error = spawner.Start(new WorkerStart { Places = places, Command = Command(programs), Output = theirOutput, KeepsPowers = true }, inherited, out var helper);
            if (error != 0)
                throw new IOException(Descriptors.Words(error));
            var uplink = new Uplink(helper, ready, output, held);
            (ready, output, held) = (-1, -1, -1);
            return uplink;
        }
        catch (Exception exception) when (exception is System.ComponentModel.Win32Exception or FormatException)
        {
            throw new IOException(exception.Message, exception);
        }
        finally
        {
            foreach (var descriptor in (int[])[.. inherited, ready, output, theirOutput, held])
                Descriptors.Close(descriptor);
        }
    }

    /// <summary>True: the way is open. Asked when <see cref="Ready"/> is readable.</summary>
    public bool TakeReady()
    {
        Span<byte> word = stackalloc byte[16];
        var isOpen = Descriptors.Receive(Ready, word) > 0;
        Descriptors.Close(Ready);
        Ready = -1;
        return isOpen;
    }

    /// <summary>The process of it that is told of has ended and is reaped.</summary>
    public void Reaped() => ProcessId = 0;

    /// <summary>What it said last, for people; "" when it said nothing.</summary>
    public string LastWords()
    {
        var text = new StringBuilder();
        Span<byte> buffer = stackalloc byte[1024];
        while (text.Length < OutputBytesMax && _output >= 0 && Descriptors.Receive(_output, buffer) is > 0 and var count)
            text.Append(Encoding.UTF8.GetString(buffer[..count]));
        var lines = text.ToString().Split('\n', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);
        // slirp4netns says first what failed, and then that two of its processes did.
        return lines.FirstOrDefault(line => line.Contains("rror", StringComparison.Ordinal) || line.Contains(':', StringComparison.Ordinal) && !line.StartsWith("WARNING", StringComparison.Ordinal) && !line.StartsWith('*')) ?? lines.LastOrDefault() ?? "";
    }

    /// <summary>Ends it. Idempotent.</summary>
    public void End()
    {
        if (ProcessId > 0)
            _ = Libc.Kill(ProcessId, Libc.SignalKill);
        foreach (var descriptor in (int[])[Ready, _output, _alive])
            Descriptors.Close(descriptor);
        (Ready, _output, _alive) = (-1, -1, -1);
    }

    private static ImmutableArray<string> Command(UplinkPrograms programs)
    {
        // It may shut itself in only where it begins as root.
        ImmutableArray<string> shutIn = Libc.EffectiveUser() == 0 ? ["--enable-sandbox"] : [];
        return
        [
            "/bin/sh", "-c", Make, "dormouse-uplink", programs.Enter, programs.Nft, programs.Slirp, "--configure", "--mtu=65520", "--disable-host-loopback", $"--cidr={OutboundRules.Between}", "--enable-seccomp", .. shutIn,
            "--ready-fd=6", "--exit-fd=7", "--netns-type=path", Network, OutboundRules.Interface,
        ];
    }

    private static int OpenNetwork(int process, int alive)
    {
        var network = Libc.Open($"/proc/{process}/ns/net", Libc.OpenRead | Libc.OpenCloseOnExec, 0);
        if (network < 0)
            throw new IOException($"its network could not be opened ({Descriptors.Words(Marshal.GetLastPInvokeError())})");
        network = Descriptors.MoveHigh(network);
        // The rules must never become those of the machine.
        var problem = alive >= 0 && Descriptors.HasEnded(alive) ? "it has ended"
            : Target($"/proc/self/fd/{network}") == Target("/proc/self/ns/net") ? "it has the machine's network" : null;
        if (problem is null)
            return network;
        Descriptors.Close(network);
        throw new IOException(problem);
    }

    private static string? Target(string link) => new FileInfo(link).LinkTarget;
}
