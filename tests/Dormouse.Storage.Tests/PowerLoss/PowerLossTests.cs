using System.Diagnostics;
using System.Globalization;
using System.Text;
using Dormouse.Storage.Sql;
using Dormouse.Storage.Sqlite;
using Dormouse.Storage.Tests.Support;

namespace Dormouse.Storage.Tests.PowerLoss;

/// <summary>
/// A process queues, takes and ends invocations on the embedded store while every write is written down. Then the power fails after each sync: the database that the disk has then must open, be
/// sound, and hold every invocation that had been accepted, and the end of each that had ended.
/// </summary>
public sealed class PowerLossTests : IDisposable
{
    /// <summary>Of so many syncs one is followed by other contents of the disk as well.</summary>
    private const int OtherEvery = 5;

    private readonly TestFolder _folder = new();
    private readonly Dictionary<Guid, string> _said = [];

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    private static int Count => IsLong ? 2_000 : 120;

    private static bool IsLong => Environment.GetEnvironmentVariable("DORMOUSE_TEST_LONG") == "1";

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task After_every_sync_the_database_opens_is_sound_and_has_all_that_was_accepted()
    {
        var (syncs, checkpoints) = (0, 0);
        var disk = new LossyDisk();
        var random = new Random(17);
        Dictionary<Guid, string>? found = null;
        foreach (var step in TracedStep.Read(await TraceAsync()))
        {
            if (step.Path.EndsWith(".said", StringComparison.Ordinal))
            {
                Note(Encoding.ASCII.GetString(step.Data.Span));
                Check(found, syncs);
                continue;
            }

            disk.Apply(step);
            if (step.Kind != 'S')
            {
                continue;
            }

            syncs++;
            checkpoints += step.Path.EndsWith(".db", StringComparison.Ordinal) ? 1 : 0;
            found = Restart(disk, () => false);
            Check(found, syncs);
            if (syncs % OtherEvery == 0)
            {
                // The disk may have had more than it was asked to: every second page, or all of them.
                Check(Restart(disk, () => random.Next(2) == 0), syncs);
                Check(Restart(disk, () => true), syncs);
            }
        }

        // The log was written back into the database in the middle, and at the end.
        Assert.True(
            _said.Count == Count && _said.Values.Any(s => s == "e") && syncs > Count / 2 && checkpoints >= 2, $"{_said.Count} accepted, {syncs} syncs, {checkpoints} of them of the database itself");
    }

    private void Note(string lines)
    {
        foreach (var line in lines.Split('\n', StringSplitOptions.RemoveEmptyEntries))
        {
            _said[Guid.ParseExact(line[2..], "D")] = line[..1];
        }
    }

    private void Check(Dictionary<Guid, string>? found, int syncs)
    {
        foreach (var (id, said) in _said)
        {
            var state = found?.GetValueOrDefault(id);
            Assert.True(state is not null, $"{id} was accepted and is gone when the power fails after sync {syncs}");
            Assert.True(said == "a" || state == "succeeded", $"{id} had ended and is {state} when the power fails after sync {syncs}");
        }
    }

    /// <summary>What the database shows after the power came back: the state of each invocation.</summary>
    private Dictionary<Guid, string>? Restart(LossyDisk disk, Func<bool> hasWritten)
    {
        var folder = Directory.CreateDirectory(_folder.File("restart")).FullName;
        try
        {
            disk.WriteTo(folder, hasWritten);
            var path = Path.Combine(folder, "dormouse.db");
            using var session = SqliteSession.OpenWriter(path);
            Assert.Empty(session.Inspect());
            if (!session.Has("SELECT 1 FROM sqlite_master WHERE name = 'queue_answers'"))
            {
                // The tables are still being made.
                return null;
            }

            var rows = session.All(
                """
                SELECT i.id, i.state, i.state = 'succeeded' OR LENGTH(b.body) = i.body_bytes, (i.state = 'succeeded') = (a.sequence IS NOT NULL)
                FROM queue_items i LEFT JOIN queue_bodies b ON b.sequence = i.sequence LEFT JOIN queue_answers a ON a.sequence = i.sequence
                """,
                r => (Id: r.Id(0), State: r.GetString(1), HasBody: r.Flag(2), HasAnswer: r.Flag(3)));
            Assert.All(rows, r => Assert.True(r.HasBody && r.HasAnswer, $"{r.Id} is {r.State}: body {r.HasBody}, answer as it should {r.HasAnswer}"));
            return rows.ToDictionary(r => r.Id, r => r.State);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private async Task<byte[]> TraceAsync()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "Writes are traced on Linux only.");
        var compiler = ((string[])["clang", "gcc", "cc"]).FirstOrDefault(c => (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':').Any(p => File.Exists(Path.Combine(p, c))));
        Assert.SkipWhen(compiler is null, "No C compiler is installed (./test installs clang): power loss was not tested.");
        Directory.CreateDirectory(_folder.Data);
        var (shim, trace) = (_folder.File("trace.so"), _folder.File("trace"));
        await RunAsync(compiler, ["-shared", "-fPIC", "-O1", "-o", shim, Path.Combine(AppContext.BaseDirectory, "PowerLoss", "trace.c"), "-ldl"], []);
        var dotnet = Environment.ProcessPath is { } path && Path.GetFileNameWithoutExtension(path) == "dotnet" ? path : "dotnet";
        await RunAsync(
            dotnet,
            [Path.Combine(AppContext.BaseDirectory, "Dormouse.Storage.CrashWriter.dll"), _folder.Data, "queue", Count.ToString(CultureInfo.InvariantCulture)],
            new() { ["LD_PRELOAD"] = shim, ["TRACE_PREFIX"] = Path.Combine(_folder.Data, "dormouse.db"), ["TRACE_FILE"] = trace });
        return await File.ReadAllBytesAsync(trace, Cancellation);
    }

    private static async Task RunAsync(string program, string[] arguments, Dictionary<string, string> environment)
    {
        var start = new ProcessStartInfo(program, arguments) { RedirectStandardError = true, RedirectStandardOutput = true };
        foreach (var (name, value) in environment)
        {
            start.Environment[name] = value;
        }

        using var process = Process.Start(start)!;
        var (errors, output) = (process.StandardError.ReadToEndAsync(Cancellation), process.StandardOutput.ReadToEndAsync(Cancellation));
        await process.WaitForExitAsync(Cancellation);
        Assert.True(process.ExitCode == 0, $"{program} ended with {process.ExitCode}: {await errors}{await output}");
    }
}
