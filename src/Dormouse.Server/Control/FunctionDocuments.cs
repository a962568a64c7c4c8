using System.Text.Json;
using System.Text.Json.Nodes;
using Dormouse.Core.Endpoints;
using Dormouse.Protocol.Inference;
using Dormouse.Protocol.Problems;
using Dormouse.Server.Errors;

namespace Dormouse.Server.Control;

/// <summary>The OpenAPI 3.1 document of an endpoint that is a Python function, with the schemas that its deploy recorded. Of its revisions it is that with most traffic, else the newest.</summary>
internal sealed class FunctionDocuments(ICatalogue catalogue, EndpointsApi endpoints)
{
    public async Task GetAsync(ControlCall call)
    {
        if (await endpoints.FindAsync(call) is not { } endpoint)
        {
            return;
        }

        var revision = (await catalogue.RevisionsAsync(endpoint.Id, call.Cancellation))
            .OrderByDescending(r => endpoint.Traffic.FirstOrDefault(t => t.Revision == r.Id.Number).Weight).ThenByDescending(r => r.Id.Number).FirstOrDefault();
        if (revision is null || revision.Spec.Kind != RuntimeKind.Python)
        {
            await Problems.WriteAsync(call.Http, ProblemCode.NotSupported, $"'{endpoint.Name}' is no function. What a model takes is at /v2/models/{endpoint.Name}.");
            return;
        }

        var function = (revision.Interface is null ? null : JsonSerializer.Deserialize(revision.Interface, ModelInterfaceJson.Default.ModelInterface)?.Function) ?? new FunctionInterface();
        if (function.Kind is "web" or "asgi")
        {
            await Problems.WriteAsync(
                call.Http, ProblemCode.NotSupported, $"'{endpoint.Name}' has addresses of its own below /invoke/{endpoint.Name}/. An application that describes itself does so there, such as at openapi.json.");
            return;
        }

        await JsonBody.WriteAsync(call.Http, Make(endpoint.Name, RevisionViews.Name(revision.Id.Number), function, EndpointViews.BaseUrl(endpoint, call.Http.Request), endpoint.IsPublic));
    }

    /// <param name="server">Where its tenant's addresses begin.</param>
    public static JsonObject Make(string name, string revision, FunctionInterface function, string server, bool isPublic)
    {
        var operation = new JsonObject
        {
            ["operationId"] = "call",
            ["requestBody"] = new JsonObject { ["content"] = Content(function.Input, "application/json") },
            ["responses"] = new JsonObject
            {
                ["200"] = new JsonObject
                {
                    ["description"] = function.Stream ? "Each value, as soon as it is there" : "The result",
                    ["content"] = function.Stream ? Content(function.Output, "application/x-ndjson", "text/event-stream") : Content(function.Output, "application/json"),
                },
                ["default"] = new JsonObject { ["description"] = "A problem; its member code is one of those of docs/spec/errors.md", ["content"] = Content(null, "application/problem+json") },
            },
        };
        if (function.Doc is { } doc)
        {
            operation["summary"] = doc;
        }

        return new JsonObject
        {
            ["openapi"] = "3.1.0",
            ["info"] = new JsonObject { ["title"] = name, ["version"] = revision },
            ["servers"] = new JsonArray(new JsonObject { ["url"] = server }),
            ["security"] = isPublic ? [] : new JsonArray(new JsonObject { ["key"] = new JsonArray() }),
            ["paths"] = new JsonObject { ["/invoke/" + name] = new JsonObject { ["post"] = operation } },
            ["components"] = new JsonObject { ["securitySchemes"] = new JsonObject { ["key"] = new JsonObject { ["type"] = "http", ["scheme"] = "bearer" } } },
        };
    }

    /// <param name="schema">Null = anything.</param>
    private static JsonObject Content(JsonElement? schema, params string[] mediaTypes) => new(mediaTypes.Select(type => KeyValuePair.Create(
        type, (JsonNode?)new JsonObject { ["schema"] = schema is { } known ? JsonNode.Parse(known.GetRawText()) : new JsonObject() })));
}
