using System.Text.Json.Nodes;
using Dormouse.EndToEnd.Tests.Running;

namespace Dormouse.EndToEnd.Tests.Storage;

/// <summary>Backups by the command line, made while a server serves, and servers on what was restored.</summary>
public sealed class BackupTests
{
    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("sqlite", "sqlite")]
    [InlineData("sqlite", "postgres")]
    [InlineData("postgres", "sqlite")]
    public async Task A_server_on_a_restored_backup_answers_as_the_old_one_did(string from, string to)
    {
        await using var postgres = from == "postgres" || to == "postgres" ? await PostgresServerTests.StartPostgresAsync() : null;
        var (source, target) = (Environment(from, postgres?.Url("source")), Environment(to, postgres?.Url("target")));
        using var folder = new TemporaryFolder();
        var (backup, restored) = (Path.Combine(folder.Root, "backup"), Path.Combine(folder.Root, "restored"));
        double[][] answers;
        JsonArray receipts;
        await using (var server = await RunningServer.StartAsync(Cancelled, null, source))
        {
            await Digits.DeployAsync(server, "digits", Cancelled);
            answers = await Digits.AnswersAsync(server, "digits", Cancelled);
            await Waiting.UntilAsync(async () => (await ReceiptsAsync(server)).Count == Digits.Kinds, "every invocation has its receipt", Cancelled);
            receipts = await ReceiptsAsync(server);

            var made = await CommandRun.AnyAsync(source, ["storage", "backup", backup, "--data", server.Data], Cancelled);
            var well = await CommandRun.AnyAsync(source, ["storage", "check", "--data", server.Data], Cancelled);

            Assert.True(made.ExitCode == 0, made.Error);
            Assert.True(well.ExitCode == 0, well.Output + well.Error);
            Assert.Contains($"are in {backup}", made.Output, StringComparison.Ordinal);
            Assert.Contains("All is well", well.Output, StringComparison.Ordinal);
        }

        var done = await CommandRun.AnyAsync(target, ["storage", "restore", backup, "--data", restored], Cancelled);
        Assert.True(done.ExitCode == 0, done.Error);
        await using var again = await RunningServer.StartAsync(Cancelled, restored, target);

        Assert.Equal(receipts.ToJsonString(), (await ReceiptsAsync(again)).ToJsonString());
        Assert.Equal(answers, await Digits.AnswersAsync(again, "digits", Cancelled));
        Assert.Equal("ok", (await again.GetAsync("/api/v1/doctor?full=true", Cancelled))["checks"]!.AsArray().Single(c => c!["name"]!.GetValue<string>() == "ledger")!["status"]!.GetValue<string>());
    }

    [Fact]
    public async Task A_server_moves_from_SQLite_to_PostgreSQL_and_back()
    {
        await using var postgres = await PostgresServerTests.StartPostgresAsync();
        var (sqlite, other) = (Environment("sqlite", null), Environment("postgres", postgres.Url("moved")));
        string data;
        double[][] answers;
        await using (var server = await RunningServer.StartAsync(Cancelled, null, sqlite))
        {
            data = server.Data;
            await Digits.DeployAsync(server, "digits", Cancelled);
            answers = await Digits.AnswersAsync(server, "digits", Cancelled);
            var refused = await CommandRun.AnyAsync(sqlite, ["storage", "migrate", "--data", data, "--to", postgres.Url("moved")], Cancelled);
            Assert.Contains("is used by another server", refused.Error, StringComparison.Ordinal);
            await server.StopAsync(Cancelled);
        }

        var there = await CommandRun.AnyAsync(sqlite, ["storage", "migrate", "--data", data, "--to", postgres.Url("moved")], Cancelled);
        Assert.True(there.ExitCode == 0, there.Error);
        await using (var server = await RunningServer.StartAsync(Cancelled, data, other))
        {
            Assert.Equal(Digits.Kinds, (await ReceiptsAsync(server)).Count);
            Assert.Equal(answers, await Digits.AnswersAsync(server, "digits", Cancelled));
            await server.StopAsync(Cancelled);
        }

        File.Delete(Path.Combine(data, "dormouse.db"));
        var back = await CommandRun.AnyAsync(other, ["storage", "migrate", "--data", data, "--to", "sqlite"], Cancelled);
        Assert.True(back.ExitCode == 0, back.Error);
        await using var last = await RunningServer.StartAsync(Cancelled, data, sqlite);
        Assert.Equal(2 * Digits.Kinds, (await ReceiptsAsync(last)).Count);
    }

    private static Dictionary<string, string> Environment(string store, string? url) => new() { ["DORMOUSE_STORAGE"] = store == "sqlite" ? "sqlite" : url! };

    private static async Task<JsonArray> ReceiptsAsync(RunningServer server) =>
        (await server.GetAsync("/api/v1/endpoints/digits/invocations?limit=1000", Cancelled))["invocations"]!.AsArray();
}
