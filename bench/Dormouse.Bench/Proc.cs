using System.Diagnostics;
using System.Globalization;

namespace Dormouse.Bench;

/// <summary>A process of the measurement: ended with it, and its memory as the kernel counts it.</summary>
internal sealed class Proc : IAsyncDisposable
{
    private readonly Process _process;

    private Proc(Process process) => _process = process;

    public int Id => _process.Id;

    public static Proc Start(string file, IEnumerable<string> arguments, IReadOnlyDictionary<string, string>? environment = null)
    {
        var start = new ProcessStartInfo(file) { RedirectStandardOutput = true, RedirectStandardError = true };
        foreach (var argument in arguments)
        {
            start.ArgumentList.Add(argument);
        }

        foreach (var (name, value) in environment ?? new Dictionary<string, string>())
        {
            start.Environment[name] = value;
        }

        var process = Process.Start(start) ?? throw new InvalidOperationException($"{file} did not start.");
        process.OutputDataReceived += (_, _) => { };
        process.ErrorDataReceived += (_, e) =>
        {
            if (Environment.GetEnvironmentVariable("BENCH_VERBOSE") is not null && e.Data is not null)
            {
                Console.Error.WriteLine(e.Data);
            }
        };
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
        return new Proc(process);
    }

    /// <summary>Private memory in MB (pages that no other process shares).</summary>
    public double PrivateMb => Memory(Id, "Private_Clean", "Private_Dirty");

    public double ResidentMb => Memory(Id, "Rss");

    /// <summary>Sum of the named rows of smaps_rollup, MB.</summary>
    public static double Memory(int process, params string[] rows) =>
        File.ReadLines($"/proc/{process}/smaps_rollup")
            .Where(l => rows.Any(r => l.StartsWith(r + ":", StringComparison.Ordinal)))
            .Sum(l => double.Parse(l.Split(' ', StringSplitOptions.RemoveEmptyEntries)[1], CultureInfo.InvariantCulture)) / 1024;

    public void Interrupt() => Process.Start("kill", ["-INT", Id.ToString(CultureInfo.InvariantCulture)])!.WaitForExit();

    public async ValueTask DisposeAsync()
    {
        if (!_process.HasExited)
        {
            _process.Kill(entireProcessTree: true);
        }

        await _process.WaitForExitAsync();
        _process.Dispose();
    }
}
