using System.Collections.Immutable;
using System.Runtime.InteropServices;
using System.Text.Json;
using Dormouse.Launcher.Kernel;
using Dormouse.Launcher.Workers;
using Dormouse.Protocol.Launching;

namespace Dormouse.Launcher.Snapshots;

/// <summary>What is being done about a worker's snapshot: one program after the other, beside everything else.</summary>
internal sealed class SnapshotWork(CriuProgram criu, string folder, int process)
{
    private static readonly ImmutableArray<string> Harmless = ["tun.c", "RLIMIT_NOFILE", "FAILED"];

    public enum Step
    {
        /// <summary>Its sandbox is told which number comes next.</summary>
        Numbering,

        /// <summary>The template makes the process that is to be written down.</summary>
        Forking,

        Dumping,

        Restoring,
    }

    public CriuProgram Criu { get; } = criu;

    /// <summary>Of the snapshot.</summary>
    public string Folder { get; } = folder;

    /// <summary>For the template, which passes it on with what is written down.</summary>
    public JsonElement? Record { get; init; }

    /// <summary>The process in the snapshot, as its sandbox numbers it; 0 until it is known.</summary>
    public int Process { get; set; } = process;

    public Step Now { get; private set; }

    /// <summary>The program that runs now; 0 = none.</summary>
    public int ProgramId { get; private set; }

    /// <summary>Readable when it has ended; -1 = none.</summary>
    public int EndDescriptor { get; private set; } = -1;

    /// <summary>Null when the program of a step runs, else why not, a sentence.</summary>
    /// <param name="places">Files of the place that it is bounded by; what it restores stays there.</param>
    /// <param name="worker">The worker, as this machine numbers it.</param>
    /// <param name="alive">The same as a descriptor.</param>
    public string? Run(Step step, Spawner spawner, ImmutableArray<string> command, ImmutableArray<string> places, int worker, int alive)
    {
        Now = step;
        Span<int> inherited = stackalloc int[2 + CriuCommand.Namespaces.Length];
        inherited.Fill(-1);
        var output = -1;
        try
        {
            if (Criu.Root is { } root && (inherited[0] = Open(root)) < 0)
                return $"The folder {root} cannot be opened ({LastWords()}).";
            if ((inherited[1] = Open(Folder)) < 0)
                return $"The folder of the snapshot cannot be opened ({LastWords()}).";
            for (var i = 0; i < CriuCommand.Namespaces.Length; i++)
            {
                if ((inherited[2 + i] = Open($"/proc/{worker}/ns/{CriuCommand.Namespaces[i].Name}")) < 0)
                    return $"Its sandbox cannot be entered ({LastWords()}).";
            }

            // Its number could be another's by now.
            if (alive >= 0 && Descriptors.HasEnded(alive))
                return "It has ended.";
            output = Libc.Open("/dev/null", Libc.OpenReadWrite | Libc.OpenCloseOnExec, 0);
            var error = spawner.Start(new WorkerStart { Places = places, Command = command, Output = output, KeepsPowers = true }, inherited, out var program);
            if (error != 0)
                return $"CRIU could not be started ({Descriptors.Words(error)}).";
            ProgramId = program;
            EndDescriptor = (int)Libc.SystemCall(Libc.CallPidfdOpen, (nuint)program, 0, 0);
            return null;
        }
        finally
        {
            foreach (var descriptor in (int[])[.. inherited, output])
                Descriptors.Close(descriptor);
        }
    }

    /// <summary>The program has ended and is reaped.</summary>
    public void Reaped()
    {
        ProgramId = 0;
        Descriptors.Close(EndDescriptor);
        EndDescriptor = -1;
    }

    /// <summary>The template makes the process.</summary>
    public void Forks() => Now = Step.Forking;

    /// <summary>Ends what runs. Idempotent.</summary>
    public void End()
    {
        if (ProgramId > 0)
            _ = Libc.Kill(-ProgramId, Libc.SignalKill);
        Descriptors.Close(EndDescriptor);
        EndDescriptor = -1;
    }

    /// <summary>What CRIU said went wrong, for people: the first of its errors that is none of those it has everywhere.</summary>
    public string LastWords(string what)
    {
        try
        {
            var log = Path.Combine(Folder, CriuCommand.LogFile);
            var words = File.Exists(log) ? File.ReadLines(log).Where(line => line.Contains("Error", StringComparison.Ordinal)).Where(line => !Harmless.Any(line.Contains)).Select(Words).ToArray() : [];
            return words.Length == 0 ? $"CRIU could not {what} it and did not say why." : $"CRIU could not {what} it: {string.Join("; ", words.Take(2))}.";
        }
        catch (IOException)
        {
            return $"CRIU could not {what} it.";
        }
    }

    /// <summary>"(00.61) Error (criu/cr-dump.c:371): Can't …" without what is for CRIU's own people.</summary>
    private static string Words(string line) => line[(line.IndexOf("): ", StringComparison.Ordinal) is var end && end >= 0 ? end + 3 : 0)..].Trim().TrimEnd('.');

    private static int Open(string path)
    {
        var descriptor = Libc.Open(path, Libc.OpenRead | Libc.OpenCloseOnExec, 0);
        return descriptor < 0 ? -1 : Descriptors.MoveHigh(descriptor);
    }

    private static string LastWords() => Descriptors.Words(Marshal.GetLastPInvokeError());
}
