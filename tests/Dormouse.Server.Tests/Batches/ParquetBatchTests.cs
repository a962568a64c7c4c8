using Dormouse.Core.Batches;
using Dormouse.Core.Endpoints;
using Dormouse.Server.Batches;
using Dormouse.Server.Queues;
using Dormouse.Server.Tests.Gateway;
using Parquet;
using Parquet.Serialization;

namespace Dormouse.Server.Tests.Batches;

/// <summary>Jobs over Parquet files through the whole server, on the real store.</summary>
public sealed class ParquetBatchTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("dmpq").FullName;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task Each_row_is_run_once_and_in_order_though_the_runner_stops_in_between_and_a_damaged_file_fails_its_job()
    {
        const int Rows = 120;
        await using var host = await GatewayHost.StartAsync(new() { ["DORMOUSE_BATCHES__FOLDERS"] = _folder }, storesQueue: true);
        host.Service<QueueLoop>().Start();
        host.Service<BatchLoop>().Start();
        host.Add("double", GatewayHost.Program());
        BatchTests.Double(host);
        var (good, bad) = (Path.Combine(_folder, "n.parquet"), Path.Combine(_folder, "bad.parquet"));
        await ParquetSerializer.SerializeAsync(Enumerable.Range(1, Rows).Select(n => new Numbered { Number = n }), good, new ParquetOptions { RowGroupSize = 50 }, cancellationToken: Cancellation);
        await File.WriteAllBytesAsync(bad, (await File.ReadAllBytesAsync(good, Cancellation))[..^9], Cancellation);

        var made = await BatchTests.CreateAsync(host, new { endpoint = "double", input = new { path = good }, concurrency = 4 });
        await host.Service<BatchLoop>().StopRunnersAsync();
        host.Service<BatchLoop>().Changed((await host.Storage.Batches.FindAsync(TenantId.Default, new BatchId(Guid.Parse(made)), Cancellation))!);
        var job = await BatchTests.EndedAsync(host, made);
        var results = await BatchTests.ResultsAsync(host, made);
        var failed = await BatchTests.EndedAsync(host, await BatchTests.CreateAsync(host, new { endpoint = "double", input = new { path = bad } }));

        Assert.Equal(("done", Rows, "parquet"), (job.GetProperty("state").GetString(), BatchTests.Number(job, "succeeded"), job.GetProperty("input").GetProperty("format").GetString()));
        Assert.Equal(Enumerable.Range(1, Rows).Select(i => ($"row {i}", 2 * i)), results.Select(r => (r.GetProperty("input").GetString()!, r.GetProperty("output").GetProperty("twice").GetInt32())));
        Assert.Equal("failed", failed.GetProperty("state").GetString());
        Assert.Contains("It is no Parquet file that can be read", failed.GetProperty("reason").GetString(), StringComparison.Ordinal);
    }

    private sealed class Numbered
    {
        // Called as the function of these tests takes it.
        [System.Text.Json.Serialization.JsonPropertyName("n")]
        public int Number { get; set; }
    }
}
