using System.Net;
using System.Text.Json.Nodes;
using Dormouse.EndToEnd.Tests.Protocol;
using Dormouse.EndToEnd.Tests.Running;
using Dormouse.Protocol.Inference.Wire;
using Google.Protobuf;

namespace Dormouse.EndToEnd.Tests.Instances;

/// <summary>Two real servers: what the first has no room for runs on the second.</summary>
public sealed class OverflowTests
{
    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_full_server_sends_calls_of_any_form_and_size_on_and_both_keep_receipts()
    {
        await using var here = await RunningServer.StartAsync(Cancelled);
        await using var there = await RunningServer.StartAsync(Cancelled);
        await there.DeployAsync("work", [("model.onnx", SmallModels.Counter())], Cancelled, new JsonObject { ["public"] = true });
        await here.DeployAsync("work", [("model.onnx", SmallModels.Counter())], Cancelled, new JsonObject
        {
            ["max_instances"] = 1,
            ["concurrency"] = 1,
            ["queue_limit"] = 1,
            // Whatever is sent on below is sent while this run goes on.
            ["timeout"] = "40s",
            ["overflow"] = new JsonObject { ["url"] = there.Address.GetLeftPart(UriPartial.Authority) },
        });
        var running = CounterCall.SendAsync(here, "work", CounterCall.Endless, Cancelled);
        await CounterCall.UntilRunningAsync(here, "work", 1, Cancelled);
        var waiting = CounterCall.SendAsync(here, "work", 3, Cancelled);
        await CounterCall.UntilQueuedAsync(here, "work", 1, Cancelled);

        var away = await CounterCall.SendAsync(here, "work", 7, Cancelled);

        Assert.Equal((HttpStatusCode.OK, "overflow", 7.0), (away.Status, away.Start, away.Total));
        var large = await CounterCall.SendAsync(here, "work", 8, Cancelled, padding: BodyOverAMebibyte);
        Assert.Equal((HttpStatusCode.OK, "overflow", 8.0), (large.Status, large.Start, large.Total));
        using var grpc = new GrpcCaller(here);
        var message = await grpc.InferAsync(Message(9), Cancelled);
        Assert.Equal(9f, BitConverter.ToSingle(message.RawOutputContents.Single().Span));
        Assert.Equal(HttpStatusCode.GatewayTimeout, (await running).Status);
        Assert.Equal(3.0, (await waiting).Total);
        var receipts = (await here.GetAsync("/api/v1/endpoints/work/invocations", Cancelled))["invocations"]!.AsArray();
        var overflowed = receipts.Where(r => r!["start"]!.GetValue<string>() == "overflow").ToList();
        Assert.Equal((3, 5), (overflowed.Count, receipts.Count));
        Assert.All(overflowed, r => Assert.Equal(
            (there.Address.Authority, "completed", "overflow", 0L),
            (r!["overflow"]!.GetValue<string>(), r["outcome"]!.GetValue<string>(), r["line"]!.GetValue<string>(), r["price_pico"]!.GetValue<long>())));
        Assert.Equal(3, (await there.GetAsync("/api/v1/endpoints/work/invocations", Cancelled))["invocations"]!.AsArray().Count);
        var rows = (await here.GetAsync("/api/v1/usage", Cancelled))["rows"]!.AsArray();
        Assert.Equal([("on_demand", 2), ("overflow", 3)], rows.Select(r => (r!["line"]!.GetValue<string>(), r["invocations"]!.GetValue<int>())));

        // The host is known beyond the endpoint.
        using var deleted = await here.Http.DeleteAsync(new Uri("/api/v1/endpoints/work", UriKind.Relative), Cancelled);
        Assert.True(deleted.IsSuccessStatusCode, $"{deleted.StatusCode}");
        Assert.Equal(there.Address.Authority, (await here.GetAsync($"/api/v1/invocations/{overflowed[0]!["id"]}", Cancelled))["overflow"]!.GetValue<string>());

        await Task.WhenAll(here.StopAsync(Cancelled), there.StopAsync(Cancelled));
        Directory.Delete(here.Data, recursive: true);
        Directory.Delete(there.Data, recursive: true);
    }

    private const int BodyOverAMebibyte = 600_000;

    private static ModelInferRequest Message(long trips) => new()
    {
        ModelName = "work",
        Inputs =
        {
            new ModelInferRequest.Types.InferInputTensor { Name = "trips", Datatype = "INT64", Shape = { 1 } },
            new ModelInferRequest.Types.InferInputTensor { Name = "start", Datatype = "FP32", Shape = { 1 } },
        },
        RawInputContents = { ByteString.CopyFrom(BitConverter.GetBytes(trips)), ByteString.CopyFrom(BitConverter.GetBytes(0f)) },
    };

    [Fact]
    public async Task An_address_of_the_server_itself_is_refused()
    {
        await using var server = await RunningServer.StartAsync(Cancelled);

        using var refused = await server.TryDeployAsync("work", [("model.onnx", SmallModels.Counter())], Cancelled, new JsonObject
        {
            ["overflow"] = new JsonObject { ["url"] = server.Address.GetLeftPart(UriPartial.Authority) },
        });

        Assert.Equal(HttpStatusCode.UnprocessableEntity, refused.StatusCode);
        Assert.Contains("which is this server", await refused.Content.ReadAsStringAsync(Cancelled), StringComparison.Ordinal);
        await server.StopAsync(Cancelled);
        Directory.Delete(server.Data, recursive: true);
    }
}
