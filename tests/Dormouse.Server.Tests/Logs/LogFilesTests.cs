using Dormouse.Core.Endpoints;
using Dormouse.Protocol.Control;
using Dormouse.Server.Hosting.Settings;
using Dormouse.Server.Logs;
using Dormouse.Server.Tests.Fakes;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;

namespace Dormouse.Server.Tests.Logs;

/// <summary>Lines on disk: what outlives the server, what bounds them, and what happens when they cannot be written.</summary>
public sealed class LogFilesTests : IDisposable
{
    private static readonly EndpointId One = new(new Guid(1, 0, 0, [0, 0, 0, 0, 0, 0, 0, 1])), Other = new(new Guid(2, 0, 0, [0, 0, 0, 0, 0, 0, 0, 2]));

    private readonly string _root = Directory.CreateTempSubdirectory("dormouse-logs-").FullName;
    private readonly FakeTimeProvider _time = new(DateTimeOffset.UtcNow);

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    private string Logs => Path.Combine(_root, "logs");

    public void Dispose() => Directory.Delete(_root, recursive: true);

    [Fact]
    public async Task Lines_outlive_the_server_also_those_that_memory_had_no_room_for_and_a_half_written_one_is_passed_over()
    {
        await using (var writer = Writer())
        {
            var store = Store(writer);
            for (var i = 0; i < LogStore.LinesMax + 500; i++)
            {
                store.Append(One, "r1-1", $"line {i}");
            }

            Assert.Equal(["line 0", "line 1499"], Ends(await TextsAsync(store, One, new LogWish(LogStore.TailMax))));
            Assert.Equal(1500, (await TextsAsync(store, One, new LogWish(LogStore.TailMax))).Count);
            Assert.Equal(["line 1488", "line 1499"], Ends(await TextsAsync(store, One, new LogWish(12))));
        }

        await File.AppendAllTextAsync(Directory.EnumerateFiles(Logs, "*.log", SearchOption.AllDirectories).Single(), "1500\t{\"at\":\"2026-", Cancellation);
        await using var second = Writer();
        var again = Store(second);
        Assert.Equal(1500, (await TextsAsync(again, One, new LogWish(LogStore.TailMax))).Count);
        again.Append(One, "r1-2", "after the restart");
        again.Append(One, "r1-2", "and again");

        var all = await TextsAsync(again, One, new LogWish(LogStore.TailMax));
        Assert.Equal((1502, "and again"), (all.Count, all[^1]));
        Assert.Equal(["line 1499", "after the restart", "and again"], await TextsAsync(again, One, new LogWish(3)));
    }

    [Fact]
    public async Task Lines_are_found_by_invocation_and_by_time()
    {
        await using (var writer = Writer())
        {
            var store = Store(writer);
            store.Append(One, "r1-1", "\u001eabc\u001eold of abc");
            _time.Advance(TimeSpan.FromHours(1));
            store.Append(One, "r1-1", "\u001eabc\u001enew of abc");
            store.Append(One, "r1-1", "of nobody");
        }

        await using var second = Writer();
        var again = Store(second);

        Assert.Equal(["old of abc", "new of abc"], await TextsAsync(again, One, new LogWish(10, "ABC")));
        Assert.Equal(["new of abc", "of nobody"], await TextsAsync(again, One, new LogWish(10, null, _time.GetUtcNow() - TimeSpan.FromMinutes(1))));
        Assert.Empty(await TextsAsync(again, Other, new LogWish(10)));
    }

    [Fact]
    public async Task A_flood_is_cut_and_counted_stays_within_its_bound_and_takes_nothing_from_its_neighbour()
    {
        await using var writer = Writer(Settings with { EndpointBytes = 64 << 10, LinesPerSecond = 500 });
        var store = Store(writer, Settings with { EndpointBytes = 64 << 10, LinesPerSecond = 500 });
        store.Append(Other, "r1-1", "the neighbour");
        for (var second = 0; second < 5; second++)
        {
            for (var i = 0; i < 700; i++)
            {
                store.Append(One, "r1-1", $"flood {second} {i} {new string('x', 100)}");
            }

            await TextsAsync(store, One, new LogWish(LogStore.TailMax));
            _time.Advance(TimeSpan.FromSeconds(1));
        }

        var texts = await TextsAsync(store, One, new LogWish(LogStore.TailMax));
        Assert.Contains("[200 lines dropped: more than 500 in a second (logs.lines_per_second)]", texts);
        Assert.DoesNotContain(texts, t => t.StartsWith("flood 0 600", StringComparison.Ordinal));
        Assert.InRange(Directory.EnumerateFiles(LogFolder.PathOf(Logs, One)).Sum(f => new FileInfo(f).Length), 1, 64 << 10);
        Assert.Equal(["the neighbour"], await TextsAsync(store, Other, new LogWish(10)));
    }

    [Fact]
    public async Task All_together_are_bounded_old_ones_go_and_those_of_a_deleted_endpoint_too()
    {
        var settings = Settings with { TotalBytes = 64 << 10, Keep = TimeSpan.FromHours(1) };
        await using (var writer = Writer(settings))
        {
            var store = Store(writer, settings);
            for (var i = 0; i < 900; i++)
            {
                store.Append(i < 450 ? One : Other, "r1-1", new string('x', 100));
            }

            await TextsAsync(store, Other, new LogWish(LogStore.TailMax));
            store.Append(Other, "r1-1", "one more");
            await TextsAsync(store, Other, new LogWish(LogStore.TailMax));
            Assert.False(Directory.Exists(LogFolder.PathOf(Logs, One)) && Directory.Exists(LogFolder.PathOf(Logs, Other)));
            store.Append(One, "r1-1", "to be deleted");
            await TextsAsync(store, One, new LogWish(LogStore.TailMax));
            store.Remove(One);
            store.Append(One, "r1-1", "what its last instance says");
        }

        Assert.False(Directory.Exists(LogFolder.PathOf(Logs, One)));
        _time.Advance(TimeSpan.FromHours(2));
        await using (var later = Writer(settings))
        {
            Store(later, settings).Append(new EndpointId(Guid.Empty), "r1-1", "makes it sweep");
        }

        Assert.False(Directory.Exists(LogFolder.PathOf(Logs, Other)));
    }

    [Fact]
    public async Task Where_nothing_can_be_written_lines_stay_in_memory_and_what_is_missing_on_disk_is_said_when_it_works_again()
    {
        await File.WriteAllTextAsync(Logs, "in the way", Cancellation);
        await using var writer = Writer();
        var store = Store(writer);
        store.Append(One, "r1-1", "not on disk");
        // Read beyond what is in memory: by then the writer has tried.
        Assert.Equal(["not on disk"], await TextsAsync(store, One, new LogWish(10)));

        File.Delete(Logs);
        _time.Advance(TimeSpan.FromMinutes(1));
        store.Append(One, "r1-1", "on disk again");

        Assert.Equal(["not on disk", "[1 lines are not kept on disk: it was full, or too slow]", "on disk again"], await TextsAsync(store, One, new LogWish(10)));
        await writer.DisposeAsync();
        await using var second = Writer();
        Assert.Equal(["[1 lines are not kept on disk: it was full, or too slow]", "on disk again"], await TextsAsync(Store(second), One, new LogWish(10)));
    }

    [Fact]
    public async Task Nothing_is_made_on_disk_before_the_first_line_or_where_none_is_to_be_kept()
    {
        await using var writer = Writer(Settings with { EndpointBytes = 0 });
        var store = Store(writer, Settings with { EndpointBytes = 0 });
        store.Append(One, "r1-1", "in memory");

        Assert.Equal(["in memory"], await TextsAsync(store, One, new LogWish(10)));
        Assert.False(Directory.Exists(Logs));
    }

    [Fact]
    public async Task After_a_restart_the_log_of_an_instance_that_is_gone_is_read_over_the_api()
    {
        string folder;
        await using (var first = await ControlServer.StartAsync())
        {
            await first.DeployAsync("digits", "model", new RevisionSettings { MinInstances = 1, MaxInstances = 1 });
            await Gateway.Conditions.UntilAsync(() => !first.Driver.Starts.IsEmpty, "an instance is started");
            first.Driver.Write(first.Driver.Starts.First().Instance, "before the restart");
            first.KeepsFolder = true;
            folder = first.Folder;
        }

        await using var second = await ControlServer.StartAsync(folder: folder);

        foreach (var query in (string[])["", "?since=1h", "?since=2020-01-01T00:00:00Z&tail=1000"])
        {
            Assert.Contains("before the restart", await second.Admin.GetStringAsync(new Uri("/api/v1/endpoints/digits/logs" + query, UriKind.Relative), Cancellation), StringComparison.Ordinal);
        }

        Assert.DoesNotContain("before the restart", await second.Admin.GetStringAsync(new Uri("/api/v1/endpoints/digits/logs?since=2100-01-01", UriKind.Relative), Cancellation), StringComparison.Ordinal);
        using var wrong = await second.Admin.GetAsync(new Uri("/api/v1/endpoints/digits/logs?since=yesterday", UriKind.Relative), Cancellation);
        Assert.Equal(400, (int)wrong.StatusCode);
        using var deleted = await second.Admin.DeleteAsync(new Uri("/api/v1/endpoints/digits", UriKind.Relative), Cancellation);
        await Gateway.Conditions.UntilAsync(() => !Directory.EnumerateFiles(Path.Combine(folder, "logs"), "*.log", SearchOption.AllDirectories).Any(), "the deleted endpoint's lines are gone");
    }

    private static LogsSettings Settings => new() { EndpointBytes = 1 << 20, TotalBytes = 1 << 30, Keep = TimeSpan.FromDays(7), LinesPerSecond = 100_000 };

    private LogWriter Writer(LogsSettings? settings = null) => new(Logs, settings ?? Settings, _time, NullLogger<LogWriter>.Instance);

    private LogStore Store(LogWriter writer, LogsSettings? settings = null) => new(writer, settings ?? Settings, _time);

    private static async Task<List<string>> TextsAsync(LogStore store, EndpointId endpoint, LogWish wish) =>
        await store.ReadAsync(endpoint, wish, follow: false, Cancellation).Select(l => l.Text).ToListAsync(Cancellation);

    private static string[] Ends(List<string> texts) => [texts[0], texts[^1]];
}
