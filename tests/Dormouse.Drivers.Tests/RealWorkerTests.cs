using System.Net;
using System.Net.Http.Headers;
using System.Net.Sockets;
using System.Text.Json;
using System.Text.Json.Nodes;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Instances;
using Dormouse.Core.Packages;
using Dormouse.Drivers.Tests.Support;
using Dormouse.Protocol;

namespace Dormouse.Drivers.Tests;

/// <summary>The whole way with the real worker and the bundled model: inspect, optimise, start from the optimised file, ask, stop.</summary>
public sealed class RealWorkerTests
{
    [Fact]
    public async Task The_bundled_model_is_inspected_started_asked_and_cleared_away()
    {
        if (Machine.WorkerPath is not { } worker)
        {
            Assert.Skip("The worker is not built: run ./dormouse once, or set DORMOUSE_WORKER_PATH.");
            return;
        }

        var cancellationToken = TestContext.Current.CancellationToken;
        await using var fixture = await DriverFixture.OpenAsync(change: options => options with { WorkerPath = worker });
        var package = new Package([.. Directory.GetFiles(Machine.BundledModelFolder)
            .Select(path => new PackageFile(Path.GetFileName(path), new(new string('0', 64)), 1))
            .OrderBy(file => file.Path, StringComparer.Ordinal)]);
        var spec = new RevisionSpec { Runtime = "onnx" };

        var inspection = await fixture.Driver.InspectAsync(
            new()
            {
                Spec = spec,
                Package = package,
                Folder = Machine.BundledModelFolder,
                OptimisedPath = fixture.OptimisedPath,
                MemoryBytes = 1L << 30,
                TimeLimit = TimeSpan.FromSeconds(60),
            },
            cancellationToken);
        var accepted = Assert.IsType<Inspection.Accepted>(inspection);
        Assert.NotNull(accepted.OptimisedKey);

        var instance = new InstanceId(new(new(Guid.Empty), 1), 1);
        fixture.Driver.Start(new()
        {
            Instance = instance,
            Tenant = TenantId.Default,
            Spec = spec,
            Package = package,
            Folder = Machine.BundledModelFolder,
            OptimisedPath = key => key == accepted.OptimisedKey ? fixture.OptimisedPath : null,
        });
        var ready = await fixture.Observer.WaitForAsync<InstanceReady>(instance);
        Assert.True(ready.UsedOptimised);
        Assert.Equal(accepted.Interface, ready.Interface);

        var (status, outputs) = await InferZerosAsync(ready, cancellationToken);
        Assert.Equal(HttpStatusCode.OK, status);
        Assert.NotEqual(0, outputs);

        fixture.Driver.Stop(instance, StopReason.Idle);
        await fixture.Observer.WaitForGoneAsync(instance);
    }

    private static async Task<(HttpStatusCode Status, int Outputs)> InferZerosAsync(InstanceReady ready, CancellationToken cancellationToken)
    {
        var input = JsonNode.Parse(ready.Interface)!["inputs"]![0]!; // Not null: a model has an input.
        var shape = input["shape"]!.AsArray().Select(dimension => Math.Max(1, dimension!.GetValue<long>())).ToArray();
        var request = new JsonObject
        {
            ["inputs"] = new JsonArray(new JsonObject
            {
                ["name"] = input["name"]!.GetValue<string>(),
                ["datatype"] = input["datatype"]!.GetValue<string>(),
                ["shape"] = JsonSerializer.SerializeToNode(shape),
                ["data"] = JsonSerializer.SerializeToNode(new float[shape.Aggregate(1L, (product, dimension) => product * dimension)]),
            }),
        };
        using var handler = new SocketsHttpHandler
        {
            ConnectCallback = async (_, token) =>
            {
                var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
                await socket.ConnectAsync(new UnixDomainSocketEndPoint(ready.Address), token);
                return new NetworkStream(socket, ownsSocket: true);
            },
        };
        using var client = new HttpClient(handler);
        using var content = new StringContent(request.ToJsonString(), new MediaTypeHeaderValue("application/json"));
        content.Headers.Add(DormouseHeaders.ModelName, "digits");
        content.Headers.Add(DormouseHeaders.ModelVersion, "1");
        using var answer = await client.PostAsync(new Uri("http://instance/infer"), content, cancellationToken);
        var body = await answer.Content.ReadAsStringAsync(cancellationToken);
        return (answer.StatusCode, JsonNode.Parse(body)!["outputs"]?.AsArray().Count ?? 0);
    }
}
