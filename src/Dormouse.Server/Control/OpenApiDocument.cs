using System.Text.Json.Nodes;
using System.Text.Json.Schema;
using System.Text.Json.Serialization.Metadata;
using System.Text.RegularExpressions;
using Dormouse.Protocol.Control;
using Dormouse.Protocol.Problems;
using Dormouse.Server.Hosting;
using Grpc.AspNetCore.Server;
using Microsoft.AspNetCore.Routing;

namespace Dormouse.Server.Control;

/// <summary>
/// The OpenAPI 3.1 document, made from the very routes that are mapped and the very types that are sent, when somebody first asks for it. The framework's own
/// generator reads delegates by reflection at start; this one costs the start nothing.
/// </summary>
internal static partial class OpenApiDocument
{
    public static JsonObject Make(IEnumerable<RouteEndpoint> routes)
    {
        var schemas = new SortedDictionary<string, JsonNode>(StringComparer.Ordinal);
        Schema(schemas, ProblemJson.Default.ProblemDocument);
        var paths = new SortedDictionary<string, JsonObject>(StringComparer.Ordinal);
        foreach (var route in routes.OrderBy(r => r.RoutePattern.RawText, StringComparer.Ordinal))
        {
            Add(paths, schemas, route);
        }

        return new JsonObject
        {
            ["openapi"] = "3.1.0",
            ["info"] = new JsonObject
            {
                ["title"] = "Dormouse",
                ["version"] = ServerVersion.Text,
                ["description"] = "Control plane under /api/v1 (also /t/{tenant}/api/v1), Open Inference Protocol under /v2, any HTTP under /invoke.",
            },
            ["security"] = new JsonArray(new JsonObject { ["key"] = new JsonArray() }),
            ["paths"] = new JsonObject(paths.Select(p => KeyValuePair.Create(p.Key, (JsonNode?)p.Value))),
            ["components"] = new JsonObject
            {
                ["securitySchemes"] = new JsonObject { ["key"] = new JsonObject { ["type"] = "http", ["scheme"] = "bearer" } },
                ["schemas"] = new JsonObject(schemas.Select(s => KeyValuePair.Create(s.Key, (JsonNode?)s.Value))),
            },
        };
    }

    private static void Add(SortedDictionary<string, JsonObject> paths, SortedDictionary<string, JsonNode> schemas, RouteEndpoint route)
    {
        // Addresses of a tenant are the same operations once more; gRPC is described by its own interface file.
        if (route.RoutePattern.RawText is not { } pattern
            || pattern.StartsWith("/t/", StringComparison.Ordinal) || pattern.StartsWith('{') || route.Metadata.GetMetadata<GrpcMethodMetadata>() is not null)
        {
            return;
        }

        var described = DataPlaneDescriptions.Of(pattern);
        IReadOnlyList<string> methods = described is { } known ? [known.Method] : route.Metadata.GetMetadata<IHttpMethodMetadata>()?.HttpMethods ?? [];
        var path = "/" + ParameterDecoration().Replace(pattern.TrimStart('/'), "{$1}");
        foreach (var method in methods)
        {
            var operation = route.Metadata.GetMetadata<ControlRoute>() is { } control
                ? Operation(control, schemas)
                : new JsonObject { ["summary"] = described?.Summary ?? route.DisplayName, ["responses"] = Responses(200, null, "application/json") };
            AddPathParameters(operation, path);
            if (!paths.TryGetValue(path, out var item))
            {
                paths[path] = item = [];
            }

            item[method.ToLowerInvariant()] = operation;
        }
    }

    private static JsonObject Operation(ControlRoute route, SortedDictionary<string, JsonNode> schemas)
    {
        var operation = new JsonObject { ["operationId"] = route.Operation, ["summary"] = route.Summary };
        if (!route.Query.IsEmpty)
        {
            operation["parameters"] = new JsonArray([.. route.Query.Select(q => (JsonNode)new JsonObject
            {
                ["name"] = q.Name, ["in"] = "query", ["description"] = q.Description, ["schema"] = new JsonObject { ["type"] = q.Type },
            })]);
        }

        if (route.Body is not null)
        {
            operation["requestBody"] = new JsonObject { ["required"] = true, ["content"] = Content("application/json", Schema(schemas, Described(route.Body))) };
        }

        operation["responses"] = Responses(route.Status, route.Answer is null ? null : Schema(schemas, Described(route.Answer)), route.AnswerType);
        return operation;
    }

    private static JsonObject Responses(int status, JsonNode? schema, string mediaType)
    {
        var success = new JsonObject { ["description"] = "Done" };
        if (schema is not null)
        {
            success["content"] = Content(mediaType, schema);
        }

        return new JsonObject
        {
            [status.ToString(System.Globalization.CultureInfo.InvariantCulture)] = success,
            ["default"] = new JsonObject { ["description"] = "A problem; docs/spec/errors.md lists the codes", ["content"] = Content("application/problem+json", Reference(nameof(ProblemDocument))) },
        };
    }

    private static void AddPathParameters(JsonObject operation, string path)
    {
        var parameters = operation["parameters"] as JsonArray ?? [];
        foreach (Match name in ParameterName().Matches(path))
        {
            parameters.Add((JsonNode)new JsonObject
            {
                ["name"] = name.Groups[1].Value,
                ["in"] = "path",
                ["required"] = true,
                ["schema"] = new JsonObject { ["type"] = "string" },
            });
        }

        if (parameters.Count > 0)
        {
            operation["parameters"] = parameters;
        }
    }

    private static JsonObject Content(string mediaType, JsonNode schema) => new() { [mediaType] = new JsonObject { ["schema"] = schema } };

    private static JsonObject Schema(SortedDictionary<string, JsonNode> schemas, JsonTypeInfo type)
    {
        schemas.TryAdd(type.Type.Name, type.GetJsonSchemaAsNode());
        return Reference(type.Type.Name);
    }

    /// <summary>Not null: every type of the routes' table is declared there, and a test makes the whole document.</summary>
    private static JsonTypeInfo Described(Type type) => ControlJson.Default.GetTypeInfo(type)!;

    private static JsonObject Reference(string name) => new() { ["$ref"] = "#/components/schemas/" + name };

    [GeneratedRegex(@"\{\*{0,2}([A-Za-z0-9_]+)[^}]*\}")]
    private static partial Regex ParameterDecoration();

    [GeneratedRegex(@"\{([A-Za-z0-9_]+)\}")]
    private static partial Regex ParameterName();
}
