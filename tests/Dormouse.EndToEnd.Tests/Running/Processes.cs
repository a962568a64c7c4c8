using System.Diagnostics;
using System.Globalization;

namespace Dormouse.EndToEnd.Tests.Running;

/// <summary>Looks at processes through /proc and sends signals.</summary>
internal static class Processes
{
    public static void Signal(int process, string signal)
    {
        using var kill = Process.Start("kill", ["-" + signal, process.ToString(CultureInfo.InvariantCulture)]);
        kill.WaitForExit();
    }

    public static bool Exists(int process) => Directory.Exists($"/proc/{process}") && State(process) is not ('Z' or 'X');

    /// <summary>Arguments separated by blanks; empty for a process that is gone.</summary>
    public static string CommandLine(int process) => Read($"/proc/{process}/cmdline").Replace('\0', ' ');

    /// <summary>What makes a worker's sandbox, not the worker: its command line has the worker's in it.</summary>
    public static bool IsSandbox(int process) => CommandLine(process).Split(' ')[0].EndsWith("/bwrap", StringComparison.Ordinal);

    /// <summary>All live descendants, nearest first.</summary>
    public static IReadOnlyList<int> Below(int ancestor)
    {
        var parents = new Dictionary<int, int>();
        foreach (var folder in Directory.EnumerateDirectories("/proc"))
        {
            if (int.TryParse(Path.GetFileName(folder), out var id) && Stat(id) is { Length: > 1 } stat)
            {
                parents[id] = int.Parse(stat[1], CultureInfo.InvariantCulture);
            }
        }

        var found = new List<int> { ancestor };
        for (var i = 0; i < found.Count; i++)
        {
            found.AddRange(parents.Where(p => p.Value == found[i] && Exists(p.Key)).Select(p => p.Key));
        }

        return found[1..];
    }

    private static char State(int process) => Stat(process) is { Length: > 0 } stat ? stat[0][0] : 'X';

    /// <summary>Fields of /proc/N/stat after the name: state, parent, …; empty for a process that is gone.</summary>
    private static string[] Stat(int process)
    {
        var text = Read($"/proc/{process}/stat");
        var end = text.LastIndexOf(')');
        return end < 0 ? [] : text[(end + 1)..].Split(' ', StringSplitOptions.RemoveEmptyEntries);
    }

    /// <summary>Empty for a process or thread that is gone.</summary>
    public static string Read(string file)
    {
        try
        {
            return File.ReadAllText(file);
        }
        catch (IOException)
        {
            return "";
        }
    }
}
