using System.Net;
using System.Net.Sockets;
using Dormouse.EndToEnd.Tests.Inference;
using Dormouse.EndToEnd.Tests.Running;

namespace Dormouse.EndToEnd.Tests.Telemetry;

/// <summary>Metrics that go to a collector.</summary>
public sealed class OtlpExportTests
{
    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Fact]
    public async Task What_was_counted_reaches_the_collector_and_the_rest_of_it_when_the_server_stops()
    {
        await using var collector = await Collector.StartAsync(Cancelled);
        // A period longer than the test: only the stop sends what was counted last.
        await using var server = await StartAsync(collector.Address, periodMs: 3_600_000);
        await Digits.DeployAsync(server, "counted", Cancelled);
        await InferCall.SendAsync(server, "counted", [Digits.Input(3)], binary: true, Cancelled);

        Assert.Equal(0, await server.StopAsync(Cancelled));

        var text = collector.Text;
        Assert.All(
            [
                "dormouse.invocation.duration", "dormouse.invocation.queue.duration", "dormouse.instance.cold_start.duration",
                "dormouse.scaling.decisions", "dormouse.billing.memory_time", "http.server.request.duration", "service.name", "counted", "completed", "start_first",
            ],
            word => Assert.Contains(word, text, StringComparison.Ordinal));
        Assert.Empty(collector.Strangers);
    }

    [Fact]
    public async Task Metrics_go_out_again_and_again_while_the_server_runs()
    {
        await using var collector = await Collector.StartAsync(Cancelled);
        await using var server = await StartAsync(collector.Address, periodMs: 100);
        await Digits.DeployAsync(server, "early", Cancelled);
        await InferCall.SendAsync(server, "early", [Digits.Input(3)], binary: true, Cancelled);
        await Waiting.UntilAsync(() => collector.Text.Contains("early", StringComparison.Ordinal), "the first endpoint is reported", Cancelled);

        await Digits.DeployAsync(server, "later", Cancelled);
        await InferCall.SendAsync(server, "later", [Digits.Input(3)], binary: true, Cancelled);

        await Waiting.UntilAsync(() => collector.Text.Contains("later", StringComparison.Ordinal), "the second endpoint is reported", Cancelled);
        Assert.Contains("dormouse.instance.count", collector.Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_collector_that_is_not_there_harms_nobody()
    {
        // A port that is taken, so that it is nobody else's, and not listened on.
        using var taken = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        taken.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        var nowhere = new Uri($"http://127.0.0.1:{((IPEndPoint)taken.LocalEndPoint!).Port}"); // Not null: it is bound.
        await using var server = await StartAsync(nowhere, periodMs: 100);
        await Digits.DeployAsync(server, "unwatched", Cancelled);

        await InferCall.SendAsync(server, "unwatched", [Digits.Input(3)], binary: true, Cancelled);

        Assert.Equal(0, await server.StopAsync(Cancelled));
    }

    private static Task<RunningServer> StartAsync(Uri collector, int periodMs) => RunningServer.StartAsync(Cancelled, environment: new Dictionary<string, string>
    {
        ["DORMOUSE_TELEMETRY__OTLP_ENDPOINT"] = collector.ToString(),
        ["OTEL_METRIC_EXPORT_INTERVAL"] = periodMs.ToString(System.Globalization.CultureInfo.InvariantCulture),
    });
}
