using System.Net;
using System.Text.Json;
using System.Text.Json.Nodes;
using Dormouse.Protocol.Control;
using Dormouse.Protocol.Inference;
using Dormouse.Protocol.Problems;
using Dormouse.Server.Control;
using Dormouse.Server.Tests.Fakes;

namespace Dormouse.Server.Tests.Control;

public sealed class FunctionDocumentTests
{
    private static readonly Uri Price = new("/api/v1/endpoints/price/openapi", UriKind.Relative);

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_function_has_a_document_of_its_own_with_what_it_takes()
    {
        await using var server = await ControlServer.StartAsync();
        using var deployed = await server.PostDeployAsync(
            "price", new DeployRequest { Files = [await server.UploadAsync("app.py", """{"module":"app.py","functions":[{"name":"price","kind":"function"}]}""")], Settings = new RevisionSettings { Runtime = "python", Handler = "app.py::price" } });
        Assert.True(deployed.IsSuccessStatusCode);

        var document = JsonNode.Parse(await server.Admin.GetStringAsync(Price, Cancellation))!;

        Assert.Equal(("3.1.0", "price", "r1"), (document["openapi"]!.GetValue<string>(), document["info"]!["title"]!.GetValue<string>(), document["info"]!["version"]!.GetValue<string>()));
        Assert.Equal(
            """{"type":"object","properties":{"n":{"type":"integer"}}}""", document["paths"]!["/invoke/price"]!["post"]!["requestBody"]!["content"]!["application/json"]!["schema"]!.ToJsonString());
        Assert.Equal(HttpStatusCode.Unauthorized, (await server.Client(null).GetAsync(Price, Cancellation)).StatusCode);
    }

    [Fact]
    public async Task What_is_no_function_has_none()
    {
        await using var server = await ControlServer.StartAsync();
        using var deployed = await server.DeployAsync("digits", "good");

        var problem = await ControlServer.ProblemAsync(await server.Admin.GetAsync("/api/v1/endpoints/digits/openapi", Cancellation), ProblemCode.NotSupported);

        Assert.Equal("'digits' is no function. What a model takes is at /v2/models/digits.", problem.Detail);
        await ControlServer.ProblemAsync(await server.Admin.GetAsync(Price, Cancellation), ProblemCode.EndpointNotFound);
    }

    [Fact]
    public void A_stream_answers_in_either_of_its_forms_and_what_is_not_known_may_be_anything()
    {
        using var number = JsonDocument.Parse("""{"type":"number"}""");

        var document = FunctionDocuments.Make("count", "r2", new FunctionInterface("function", Stream: true, "Counts.", Output: number.RootElement), "http://here/t/shop", isPublic: true);

        var operation = document["paths"]!["/invoke/count"]!["post"]!;
        Assert.Equal("Counts.", operation["summary"]!.GetValue<string>());
        Assert.Equal("""{"application/json":{"schema":{}}}""", operation["requestBody"]!["content"]!.ToJsonString());
        Assert.Equal(
            """{"application/x-ndjson":{"schema":{"type":"number"}},"text/event-stream":{"schema":{"type":"number"}}}""", operation["responses"]!["200"]!["content"]!.ToJsonString());
        Assert.Equal(("http://here/t/shop", "[]"), (document["servers"]![0]!["url"]!.GetValue<string>(), document["security"]!.ToJsonString()));
    }
}
