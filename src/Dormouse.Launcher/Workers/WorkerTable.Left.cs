using System.Globalization;
using Dormouse.Launcher.Sandboxing;
using Dormouse.Protocol.Launching;

namespace Dormouse.Launcher.Workers;

// What an instance has started and left running: it ends with the instance, and the instance's log says so.
internal sealed partial class WorkerTable
{
    private const int NamesMax = 5;

    /// <summary>Said once, before all of it is killed. Nothing where there are no cgroups that tell what belongs to a worker.</summary>
    private void TellLeft(WorkerProcess worker)
    {
        if (worker.LeftIsTold || worker is { ProcessId: 0 } or { IsSandboxed: true, InsideId: 0 })
            return;
        worker.LeftIsTold = true;
        var processes = limiter.Processes(worker.Place).ToArray();
        if (processes.All(process => process == worker.ProcessId))
            return;
        // The worker, and what its sandbox or container is made with, which may be there a little longer.
        HashSet<int> own = [worker.Uplink?.ProcessId ?? 0];
        for (var process = worker.IsSandboxed ? worker.InsideId : worker.ProcessId; process > 1 && own.Add(process);)
            process = ParentOf(process);
        if (worker.IsSandboxed)
            own.UnionWith([worker.ProcessId, Sandbox.ChildOf(worker.ProcessId)]);
        var names = processes.Where(process => !own.Contains(process)).Select(NameOf).Where(name => name.Length > 0).ToArray();
        if (names.Length == 0)
            return;
        var more = names.Length > NamesMax ? string.Create(CultureInfo.InvariantCulture, $" and {names.Length - NamesMax} more") : "";
        tell(new WorkerWrote(worker.Number, string.Create(
            CultureInfo.InvariantCulture,
            $"[{names.Length} {(names.Length == 1 ? "process" : "processes")} that it had started and left running ended with it: {string.Join(", ", names.Take(NamesMax))}{more}]")));
    }

    /// <summary>0 when it is gone.</summary>
    private static int ParentOf(int process)
    {
        var stat = Read($"/proc/{process}/stat");
        // 12 (name that may hold spaces and parentheses) S parent …
        return stat[(stat.LastIndexOf(')') + 1)..].Split(' ', StringSplitOptions.RemoveEmptyEntries) is [_, var parent, ..] ? int.Parse(parent, CultureInfo.InvariantCulture) : 0;
    }

    /// <summary>As it calls itself, without what would not be one line of a log; "" when it is gone or going.</summary>
    private static string NameOf(int process)
    {
        var stat = Read($"/proc/{process}/stat");
        var end = stat.LastIndexOf(')');
        if (end < 0 || stat.AsSpan(end + 1).TrimStart() is ['Z' or 'X', ..])
            return "";
        return string.Concat(stat[(stat.IndexOf('(', StringComparison.Ordinal) + 1)..end].Select(letter => char.IsControl(letter) ? '?' : letter));
    }

    private static string Read(string path)
    {
        try
        {
            return File.ReadAllText(path);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return "";
        }
    }
}
