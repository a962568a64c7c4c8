using System.Diagnostics;
using Dormouse.Drivers.Prefetch;
using Dormouse.Server.Prefetch;

namespace Dormouse.Server.Tests.Prefetch;

public sealed class StartRecorderTests
{
    private const int Mib = PrefetchParts.Mib;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task What_a_start_opens_is_recorded_in_that_order_with_the_chunks_that_are_in_memory()
    {
        await using var parts = new PrefetchParts();
        var model = parts.Files.Write("model.bin", 3 * Mib);
        var code = parts.Files.Write("app.py", 100);
        parts.Files.Write("unused.bin", 100);
        var library = ColdFiles.WriteAt(Path.Combine(parts.EnvironmentFolder, "venv", "lib", "module.pyc"), 100);
        await ColdFiles.DropAsync(model);

        await parts.Recorder.BeginAsync(parts.Revision, parts.Instance, parts.Files.Package);
        await ReadAsync(code);
        await ReadAsync(library);
        await ReadAsync(code);
        using (File.OpenHandle(model))
        {
            using var cached = CachedFile.TryOpen(model);
            cached!.WillNeed(1);
            await Gateway.Conditions.UntilAsync(() => cached.MissingBytes(1) == 0, "the chunk is read");
        }

        parts.Recorder.Ready(parts.Revision, parts.Instance, PrefetchParts.Ready());
        Assert.False(File.Exists(parts.RecordPath));
        await parts.FinishAsync();

        var record = parts.ReadRecord();
        Assert.NotNull(record);
        Assert.Equal(
            [(FilePlace.Package, "app.py", 100), (FilePlace.Environment, "venv/lib/module.pyc", 100), (FilePlace.Package, "model.bin", 3L * Mib)],
            record.Files.Select(f => (f.Place, f.Path, f.SizeBytes)));
        Assert.Equal([[0], [0], [1]], record.Files.Select(f => f.Chunks().ToArray()));
    }

    [Fact]
    public async Task An_instance_that_never_serves_leaves_no_record_and_the_next_is_recorded()
    {
        await using var parts = new PrefetchParts();
        var code = parts.Files.Write("app.py", 100);
        await parts.Recorder.BeginAsync(parts.Revision, parts.Instance, parts.Files.Package);
        await ReadAsync(code);
        parts.Recorder.Gone(parts.Instance);
        await parts.Recorder.WhenAllAsync();
        Assert.False(File.Exists(parts.RecordPath));

        var next = parts.Instance with { Number = 2 };
        await parts.Recorder.BeginAsync(parts.Revision, next, parts.Files.Package);
        await ReadAsync(code);
        parts.Recorder.Ready(parts.Revision, next, PrefetchParts.Ready());
        parts.Recorder.Gone(next);
        await parts.Recorder.WhenAllAsync();

        Assert.Equal("app.py", Assert.Single(parts.ReadRecord()!.Files).Path);
    }

    [Fact]
    public async Task A_model_that_was_loaded_as_it_was_sent_is_not_recorded()
    {
        await using var parts = new PrefetchParts();
        var model = parts.Files.Write("model.onnx", 100);
        await parts.Recorder.BeginAsync(parts.Revision, parts.Instance, parts.Files.Package);
        await ReadAsync(model);

        parts.Recorder.Ready(parts.Revision, parts.Instance, PrefetchParts.Ready(usedOptimised: false));
        await parts.FinishAsync();

        Assert.False(File.Exists(parts.RecordPath));
    }

    [Fact]
    public async Task A_file_that_the_instance_is_given_open_comes_first()
    {
        await using var parts = new PrefetchParts();
        var model = parts.Files.Write("model.onnx", 100);
        var given = parts.Files.Write("given.ort", 100);
        await parts.Recorder.BeginAsync(parts.Revision, parts.Instance, parts.Files.Package);
        await ReadAsync(model);
        Assert.Equal(given, parts.Recorder.Given(parts.Instance, given));

        parts.Recorder.Ready(parts.Revision, parts.Instance, PrefetchParts.Ready());
        await parts.FinishAsync();

        Assert.Equal(["given.ort", "model.onnx"], parts.ReadRecord()!.Files.Select(f => f.Path));
    }

    [Fact]
    public async Task With_the_size_set_to_nothing_no_start_is_recorded()
    {
        await using var parts = new PrefetchParts(bytesMax: 0);
        var code = parts.Files.Write("app.py", 100);

        await parts.Recorder.BeginAsync(parts.Revision, parts.Instance, parts.Files.Package);
        await ReadAsync(code);
        parts.Recorder.Ready(parts.Revision, parts.Instance, PrefetchParts.Ready());
        await parts.FinishAsync();

        Assert.False(File.Exists(parts.RecordPath));
    }

    /// <summary>Another process reads it, as an instance would.</summary>
    private static async Task ReadAsync(string path)
    {
        using var cat = Process.Start(new ProcessStartInfo("cat", [path]) { RedirectStandardOutput = true });
        Assert.NotNull(cat);
        await cat.StandardOutput.ReadToEndAsync(Cancellation);
        await cat.WaitForExitAsync(Cancellation);
        Assert.Equal(0, cat.ExitCode);
    }
}
