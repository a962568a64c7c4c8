using System.Collections.Immutable;
using System.Text;
using Dormouse.Launcher.Kernel;
using Dormouse.Launcher.Limits;
using Dormouse.Launcher.Workers;
using Dormouse.Protocol.Launching;

namespace Dormouse.Launcher.Sandboxing;

/// <summary>Finds out by a real run whether workers can be sandboxed on this machine: a shell is started as a worker would be and says what is in force around it.</summary>
internal sealed unsafe class SandboxProbe(WorkerLimiter limiter, Spawner spawner, string server)
{
    /// <summary>What the run is worth to a start of the launcher.</summary>
    private const int AnswerMilliseconds = 5_000;

    private const string Good = "sandboxed";

    private const string Question =
        """
        while read -r key value _; do
          case $key in
            Seccomp:) [ "$value" = 2 ] || { echo 'the system call filter is not in force'; exit 1; } ;;
            NoNewPrivs:) [ "$value" = 1 ] || { echo 'privileges can be gained'; exit 1; } ;;
            CapEff:|CapPrm:|CapBnd:|CapInh:|CapAmb:)
              case $key$value in CapBnd:*|*:0000000000000000) ;; *) echo 'it has capabilities'; exit 1 ;; esac ;;
          esac
        done < /proc/self/status
        [ $$ -lt 4 ] || { echo 'it sees processes of the machine'; exit 1; }
        while read -r name _; do
          case $name in Inter-*|face*|lo:*) ;; *) echo 'it has the network of the machine'; exit 1 ;; esac
        done < /proc/net/dev
        (: > /dormouse) 2>/dev/null && { echo 'it can write to its system'; exit 1; }
        (: > /tmp/dormouse) 2>/dev/null || { echo 'it cannot write to /tmp'; exit 1; }
        echo sandboxed
        read -r _ <&3
        """;

    private static readonly string[] Programs = ["/usr/bin/bwrap", "/bin/bwrap", "/usr/local/bin/bwrap"];

    /// <summary>A sandbox that works, or null and why there is none.</summary>
    public Sandbox? Choose(out SandboxReport report)
    {
        var (sandbox, problem) = Try();
        report = sandbox is null
            ? new(Works: false, problem, [])
            : new(Works: true, null, [.. Libc.EffectiveUser() == 0
                ? Array.Empty<string>()
                : ["Every sandboxed instance is the same user, the server's own: only a server that root runs can give each one of its own."],
                .. ForkNamespaces.Missing(path => File.Exists(path) ? File.ReadAllText(path) : null) is { } missing ? (string[])[missing] : []]);
        return sandbox;
    }

    private (Sandbox? Sandbox, string Problem) Try()
    {
        if (Array.Find(Programs, File.Exists) is not { } bubblewrap)
            return (null, "the program bwrap is missing; 'apt-get install bubblewrap' installs it");
        if (spawner.SetPrivileges is not { } setPrivileges)
            return (null, "the program setpriv is missing; it is in the package util-linux, 2.33 or later");
        var filter = SystemCallFilter.Make(out var problem);
        if (filter < 0)
            return (null, problem);
        if (SandboxDoor.TryMake() is not { } door)
            return (null, "the kernel does not let the launcher enter a sandbox");
        var sandbox = new Sandbox(spawner, new SandboxCommand(bubblewrap, setPrivileges, SystemFolders.Arguments()), filter, door, server);
        return Ask(sandbox) is { } failed ? (null, failed) : (sandbox, "");
    }

    /// <summary>Null when it is a sandbox in every respect.</summary>
    private string? Ask(Sandbox sandbox)
    {
        var place = $"{Environment.ProcessId}-sandbox-probe";
        var process = 0;
        var (control, theirControl) = Descriptors.PacketPair();
        var (output, theirOutput) = Descriptors.Pipe();
        try
        {
            var start = new WorkerStart { Places = limiter.Create(place), Command = ["/bin/sh", "-c", Question], Control = theirControl, Output = theirOutput };
            var error = sandbox.Start(start, new SandboxRequest { ReadOnlyFolders = [], ScratchBytes = 1 << 20 }, limiter.Views(place), processesMax: 0, out process);
            Descriptors.Close(theirOutput);
            theirOutput = -1;
            if (error != 0)
                return $"bwrap could not be started ({Descriptors.Words(error)})";
            var answer = ReadLine(output);
            if (answer != Good)
                return answer.Length == 0 ? $"a sandboxed program did not answer within {AnswerMilliseconds / 1000} s" : answer;
            var inside = Sandbox.WorkerOf(process);
            if (inside == 0)
                return "the kernel does not say which processes a sandbox has";
            var package = sandbox.Door.ShowPackage(inside, alive: -1, "/usr", out var problem);
            Descriptors.Close(package);
            return package < 0 ? $"files cannot be shown to a sandboxed program: {problem}" : null;
        }
        catch (IOException exception)
        {
            return exception.Message;
        }
        finally
        {
            foreach (var descriptor in (int[])[control, theirControl, output, theirOutput])
                Descriptors.Close(descriptor);
            Spawner.End(process);
            Clear(place, process);
        }
    }

    /// <summary>What is in the sandbox ends a moment after its outer process, and becomes ours to reap.</summary>
    private void Clear(string place, int process)
    {
        const int Anyone = -1, NoSession = -1;
        for (var waited = 0; !limiter.TryClear(place, process > 0 ? process : NoSession, ImmutableHashSet<int>.Empty) && waited < AnswerMilliseconds; waited++)
        {
            while (Libc.Wait(Anyone, null, Libc.WaitNoHang, null) > 0)
            {
                // Nothing but this run's processes are our children yet.
            }

            _ = Libc.Poll(null, 0, 1);
        }
    }

    /// <summary>The first line, or what was written of it; empty when nothing comes.</summary>
    private static string ReadLine(int output)
    {
        var line = new StringBuilder();
        Span<byte> buffer = stackalloc byte[4096];
        var entry = new Libc.PollEntry { Descriptor = output, Wanted = Libc.PollIn };
        while (Libc.Poll(&entry, 1, AnswerMilliseconds) > 0)
        {
            var count = Descriptors.Receive(output, buffer);
            if (count == 0)
                break;
            if (count < 0)
                continue;
            line.Append(Encoding.UTF8.GetString(buffer[..count]));
            if (buffer[..count].Contains((byte)'\n'))
                break;
        }

        return line.ToString().Split('\n')[0].Trim();
    }
}
