using Dormouse.Server.Prefetch;
using Dormouse.Server.Tests.Gateway;

namespace Dormouse.Server.Tests.Prefetch;

public sealed class PrefetcherTests
{
    private const int Mib = PrefetchParts.Mib;

    [Fact]
    public async Task The_recorded_chunks_are_read_and_no_others()
    {
        await using var parts = new PrefetchParts();
        var (one, two, none) = (parts.Files.Write("one.bin", 4 * Mib), parts.Files.Write("two.bin", 1000), parts.Files.Write("none.bin", 2 * Mib));
        parts.Record(("one.bin", 4 * Mib, [1, 1, 3, 1]), ("two.bin", 1000, [0, 1]));
        await DropAsync(one, two, none);

        await parts.PrefetchAsync();

        await Conditions.UntilAsync(() => ColdFiles.Present(one) is [1, 3] && ColdFiles.Present(two) is [0], "the chunks are read");
        Assert.Equal([true, false, true, false], ColdFiles.Missing(one));
        Assert.Empty(ColdFiles.Present(none));
        Assert.Equal("read 2 MiB of 2 files ahead: a call is likely", Assert.Single(parts.Said));
    }

    [Fact]
    public async Task They_are_read_in_the_recorded_order_until_the_bound_is_reached()
    {
        await using var parts = new PrefetchParts(bytesMax: 3 * Mib);
        var (one, two) = (parts.Files.Write("one.bin", 4 * Mib), parts.Files.Write("two.bin", 2 * Mib));
        parts.Record(("two.bin", 2 * Mib, [0, 2]), ("one.bin", 4 * Mib, [2, 2]));
        await DropAsync(one, two);

        await parts.PrefetchAsync();

        await Conditions.UntilAsync(() => ColdFiles.Present(two) is [0, 1] && ColdFiles.Present(one) is [2], "what the bound allows is read");
        Assert.Equal([true, true, false, true], ColdFiles.Missing(one));
        Assert.StartsWith("read 3 MiB of files ahead, more is not allowed", Assert.Single(parts.Said), StringComparison.Ordinal);
    }

    [Fact]
    public async Task No_more_is_read_in_a_second_than_the_rate_allows()
    {
        await using var parts = new PrefetchParts(bytesPerSecond: Mib);
        var one = parts.Files.Write("one.bin", 3 * Mib);
        parts.Record(("one.bin", 3 * Mib, [0, 3]));
        await DropAsync(one);

        var reading = parts.PrefetchAsync();

        await Conditions.UntilAsync(() => ColdFiles.Present(one) is [0], "the first chunk is read");
        Assert.Equal([false, true, true], ColdFiles.Missing(one));
        Assert.False(reading.IsCompleted);
        await Conditions.UntilAsync(
            () =>
            {
                parts.Time.Advance(TimeSpan.FromMilliseconds(100));
                return reading.IsCompleted;
            },
            "the rest is read as time passes");
        await Conditions.UntilAsync(() => ColdFiles.Present(one) is [0, 1, 2], "all is read");
    }

    [Fact]
    public async Task When_memory_is_short_nothing_is_read_and_that_is_said()
    {
        await using var parts = new PrefetchParts { Memory = new MachineMemory(1L << 30, 10L << 30) };
        var one = parts.Files.Write("one.bin", 2 * Mib);
        parts.Record(("one.bin", 2 * Mib, [0, 2]));
        await DropAsync(one);

        await parts.PrefetchAsync();

        Assert.Equal([true, true], ColdFiles.Missing(one));
        Assert.Equal("read no files ahead, memory is short: a call is likely", Assert.Single(parts.Said));
    }

    [Fact]
    public async Task What_is_in_memory_is_not_worth_a_word()
    {
        await using var parts = new PrefetchParts();
        await File.ReadAllBytesAsync(parts.Files.Write("one.bin", Mib), TestContext.Current.CancellationToken);
        parts.Record(("one.bin", Mib, [0, 1]));

        await parts.PrefetchAsync();

        Assert.Empty(parts.Said);
        Assert.Empty(parts.Log.Lines);
    }

    [Fact]
    public async Task Without_a_record_nothing_happens()
    {
        await using var parts = new PrefetchParts();
        var one = parts.Files.Write("one.bin", Mib);
        await DropAsync(one);

        await parts.PrefetchAsync();

        Assert.Equal([true], ColdFiles.Missing(one));
        Assert.Empty(parts.Said);
        Assert.Empty(parts.Log.Lines);
    }

    [Theory]
    [InlineData("")]
    [InlineData("no json")]
    [InlineData("null")]
    [InlineData("""{"version":2,"files":[{"place":"Package","path":"one.bin","size_bytes":1048576,"ranges":[0,1]}]}""")]
    [InlineData("""{"version":1}""")]
    [InlineData("""{"version":1,"files":[null]}""")]
    [InlineData("""{"version":1,"files":[{"place":"Package","path":"../../one.bin","size_bytes":1048576,"ranges":[0,1]}]}""")]
    [InlineData("""{"version":1,"files":[{"place":"Package","path":"/etc/passwd","size_bytes":1048576,"ranges":[0,1]}]}""")]
    [InlineData("""{"version":1,"files":[{"place":"Package","path":"one.bin","size_bytes":1048576,"ranges":[0]}]}""")]
    [InlineData("""{"version":1,"files":[{"place":"Package","path":"one.bin","size_bytes":1048576,"ranges":[3,1,0,1]}]}""")]
    [InlineData("""{"version":1,"files":[{"place":"Nowhere","path":"one.bin","size_bytes":1048576,"ranges":[0,1]}]}""")]
    public async Task A_broken_record_is_removed_with_a_word_and_nothing_is_read(string text)
    {
        await using var parts = new PrefetchParts();
        var one = parts.Files.Write("one.bin", Mib);
        await File.WriteAllTextAsync(parts.RecordPath, text, TestContext.Current.CancellationToken);
        await DropAsync(one);

        await parts.PrefetchAsync();

        Assert.Equal([true], ColdFiles.Missing(one));
        Assert.Contains("is of no use and is removed", Assert.Single(parts.Log.Lines), StringComparison.Ordinal);
        Assert.False(File.Exists(parts.RecordPath));
    }

    [Fact]
    public async Task A_record_whose_files_have_mostly_changed_is_removed()
    {
        await using var parts = new PrefetchParts();
        var one = parts.Files.Write("one.bin", Mib);
        parts.Record(("one.bin", Mib + 1, [0, 2]), ("gone.bin", Mib, [0, 1]));
        await DropAsync(one);

        await parts.PrefetchAsync();

        Assert.Equal([true], ColdFiles.Missing(one));
        Assert.Contains("2 of its 2 files are gone or have changed", Assert.Single(parts.Log.Lines), StringComparison.Ordinal);
        Assert.False(File.Exists(parts.RecordPath));
    }

    private static async Task DropAsync(params string[] paths)
    {
        foreach (var path in paths)
        {
            await ColdFiles.DropAsync(path);
        }
    }
}
