using System.Collections.Immutable;
using System.Globalization;
using System.Runtime.InteropServices;
using Dormouse.Launcher.Kernel;
using Dormouse.Launcher.Workers;
using Dormouse.Protocol.Launching;

namespace Dormouse.Launcher.Limits;

/// <summary>Finds out by a real run which limits work on this machine: a child is placed under a limit as a worker would be.</summary>
internal sealed class LimiterProbe(CgroupFolders folders, string name, Spawner spawner)
{
    private const uint FolderMode = 0x1ED; // rwxr-xr-x
    private static readonly WorkerLimits Trial = new(64L << 20, 0.5, 16);

    /// <summary>The best limiter that works, with notes about what does not.</summary>
    public WorkerLimiter Choose()
    {
        var (limiter, reason) = folders.Controllers.ContainsKey("memory") ? TryV1()
            : folders.Unified is not null ? TryV2(folders.Unified)
            : (null, "no cgroup file system with a memory controller is mounted");
        if (limiter is not null)
            return limiter;
        return new ResourceLimiter
        {
            Notes =
            [
                $"Memory of an instance is bounded by a resource limit only and its cpu is not bounded: {reason}. "
                + "Start the server with 'systemd-run --user --scope -p Delegate=yes dormouse serve', or as root, or in a container with writable cgroups.",
            ],
        };
    }

    private (WorkerLimiter? Limiter, string Reason) TryV1()
    {
        var working = ImmutableDictionary.CreateBuilder<string, string>();
        var failed = new List<string>();
        foreach (var controller in CgroupV1Limiter.Wanted)
        {
            var folder = folders.Controllers.TryGetValue(controller, out var own) ? $"{own}/{name}" : null;
            if (folder is not null && MakeFolder(folder) == 0)
                working[controller] = folder;
            else
                failed.Add(controller);
        }

        if (!working.ContainsKey("memory"))
            return (null, $"the cgroup {folders.Controllers["memory"]} cannot be written");
        var limiter = new CgroupV1Limiter(working.ToImmutable(), FindFreezer())
        {
            Notes = failed.Count == 0 ? [] : [$"These cgroup controllers cannot be written, what they bound or count is unbounded or estimated: {string.Join(", ", failed)}."],
        };
        return Try(limiter) is { } problem ? (null, problem) : (limiter, "");
    }

    private (string? Folder, string Reason) FindFreezer()
    {
        if (!folders.Controllers.TryGetValue(CgroupV1Limiter.FreezerController, out var own))
            return (null, "no cgroup file system with the freezer is mounted");
        return MakeFolder($"{own}/{name}") == 0 ? ($"{own}/{name}", "") : (null, $"the cgroup {own} cannot be written");
    }

    private (WorkerLimiter? Limiter, string Reason) TryV2(string own)
    {
        // A server started again from a shell that an earlier one moved aside.
        var aside = $"{name}-main";
        if (own.EndsWith($"/{aside}", StringComparison.Ordinal))
            own = own[..^(aside.Length + 1)];
        var control = $"{own}/cgroup.subtree_control";
        var error = Descriptors.WriteText(control, CgroupV2Limiter.Controllers);
        if (error == Libc.Busy)
        {
            // Processes may only live in leaves: the server and what started it move into one of their own.
            _ = Libc.MakeFolder($"{own}/{aside}", FolderMode);
            foreach (var process in ProcessesAbove())
                _ = Descriptors.WriteText($"{own}/{aside}/cgroup.procs", process.ToString(CultureInfo.InvariantCulture));
            error = Descriptors.WriteText(control, CgroupV2Limiter.Controllers);
        }

        if (error != 0)
            return (null, $"the controllers memory, cpu and pids cannot be enabled in {own} ({Descriptors.Words(error)})");
        var folder = $"{own}/{name}";
        error = MakeFolder(folder);
        if (error == 0)
            error = Descriptors.WriteText($"{folder}/cgroup.subtree_control", CgroupV2Limiter.Controllers);
        if (error != 0)
            return (null, $"the cgroup {folder} cannot be set up ({Descriptors.Words(error)})");
        var limiter = new CgroupV2Limiter(folder);
        return Try(limiter) is { } problem ? (null, problem) : (limiter, "");
    }

    /// <summary>Places a short program as a worker would be placed; null when that worked.</summary>
    private string? Try(CgroupLimiter limiter)
    {
        var trial = $"{Environment.ProcessId}-probe";
        string? problem;
        try
        {
            var places = limiter.Create(trial);
            var failure = limiter.Apply(trial, 0, Trial, before: null);
            problem = failure?.Reason ?? (spawner.Run(places, ["/bin/sh", "-c", ":"]) == 0 ? null : "a program could not be placed in its cgroup");
        }
        catch (IOException exception)
        {
            problem = exception.Message;
        }

        limiter.TryClear(trial, 0, ImmutableHashSet<int>.Empty);
        if (problem is not null)
            limiter.RemoveBases();
        return problem;
    }

    private static int MakeFolder(string folder)
    {
        const int Exists = 17;
        var error = Libc.MakeFolder(folder, FolderMode) == 0 ? 0 : Marshal.GetLastPInvokeError();
        return error == Exists ? 0 : error;
    }

    /// <summary>This process, its parent, and so on up.</summary>
    private static IEnumerable<int> ProcessesAbove()
    {
        for (var process = Environment.ProcessId; process > 0;)
        {
            yield return process;
            var text = File.ReadAllText($"/proc/{process}/stat");
            process = int.Parse(text[(text.LastIndexOf(')') + 2)..].Split(' ')[1], CultureInfo.InvariantCulture);
        }
    }
}
