using System.Text.Json;
using Dormouse.Protocol.Problems;
using Microsoft.AspNetCore.Http;

namespace Dormouse.Server.Gateway;

/// <summary>The small JSON body of a repository call; an absent body is an empty object. Unknown members are ignored, known ones must be of their type.</summary>
internal sealed record RepositoryRequest
{
    private const string Switch = "true and false";

    /// <summary>What is wrong with the body; null when it can be used.</summary>
    public Problem? Problem { get; private init; }

    /// <summary>Index: only models that can run.</summary>
    public bool OnlyReady { get; private init; }

    /// <summary>Why a load with these parameters is not possible; null when it is.</summary>
    public Problem? LoadProblem { get; private init; }

    /// <summary>Models and their settings come by deploying, never by loading.</summary>
    public static bool IsRefused(string parameter) => parameter == "config" || parameter.StartsWith("file:", StringComparison.Ordinal);

    public static Problem NotSupported(string parameter) => new(
        ProblemCode.NotSupported, $"Loading with the parameter '{(parameter == "config" ? parameter : "file:")}' is not supported. Deploy the model instead: 'dormouse deploy'.");

    public static async ValueTask<RepositoryRequest> ReadAsync(HttpContext context, int bytesMax, TimeProvider time)
    {
        await using var body = await RequestBody.ReadAsync(context, bytesMax, time);
        if (body.Problem is not null)
        {
            return new RepositoryRequest { Problem = body.Problem };
        }

        if (body.KnownBytes == 0)
        {
            return new RepositoryRequest();
        }

        try
        {
            await using var content = body.Open(deadline: null);
            using var json = await JsonDocument.ParseAsync(content, cancellationToken: context.RequestAborted);
            return Read(json.RootElement);
        }
        catch (JsonException fault)
        {
            return Invalid($"The request body is not valid JSON: line {fault.LineNumber + 1}, byte {fault.BytePositionInLine + 1}.");
        }
    }

    private static RepositoryRequest Read(JsonElement root)
    {
        if (root.ValueKind != JsonValueKind.Object)
        {
            return Invalid($"The request body is {Shown(root)}; allowed is an object, such as {{}}.");
        }

        if (Member(root, "ready") is { ValueKind: not (JsonValueKind.True or JsonValueKind.False) } ready)
        {
            return Wrong("ready", ready, Switch);
        }

        var onlyReady = Member(root, "ready") is { ValueKind: JsonValueKind.True };
        if (Member(root, "parameters") is not { } parameters)
        {
            return new RepositoryRequest { OnlyReady = onlyReady };
        }

        if (parameters.ValueKind != JsonValueKind.Object)
        {
            return Wrong("parameters", parameters, "an object");
        }

        if (Member(parameters, "unload_dependents") is { ValueKind: not (JsonValueKind.True or JsonValueKind.False) } dependents)
        {
            return Wrong("parameters.unload_dependents", dependents, Switch);
        }

        var refused = parameters.EnumerateObject().Select(p => p.Name).FirstOrDefault(IsRefused);
        return new RepositoryRequest { OnlyReady = onlyReady, LoadProblem = refused is null ? null : NotSupported(refused) };
    }

    /// <summary>Null when it is absent, or null.</summary>
    private static JsonElement? Member(JsonElement owner, string name) =>
        owner.TryGetProperty(name, out var value) && value.ValueKind != JsonValueKind.Null ? value : null;

    private static RepositoryRequest Wrong(string key, JsonElement value, string allowed) => Invalid($"'{key}' is {Shown(value)}; allowed {(allowed == Switch ? "are" : "is")} {allowed}.");

    private static RepositoryRequest Invalid(string detail) => new() { Problem = new Problem(ProblemCode.RequestInvalid, detail) };

    private static string Shown(JsonElement value)
    {
        const int shownMax = 40;
        var text = value.GetRawText();
        return text.Length <= shownMax ? text : string.Concat(text.AsSpan(0, shownMax), "…");
    }
}
