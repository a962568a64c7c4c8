using System.Text.Json;
using Dormouse.Protocol.Problems;
using Microsoft.AspNetCore.Http;

namespace Dormouse.Server.Gateway;

/// <summary>The small JSON body of a repository call; an absent body is an empty object.</summary>
internal sealed class RepositoryRequest : IDisposable
{
    private readonly JsonDocument? _json;

    private RepositoryRequest(JsonDocument? json, Problem? problem)
    {
        _json = json;
        Problem = problem;
    }

    /// <summary>Why the body is no object.</summary>
    public Problem? Problem { get; }

    /// <summary>Index: only models that can run.</summary>
    public bool OnlyReady => _json is not null && _json.RootElement.TryGetProperty("ready", out var ready) && ready.ValueKind == JsonValueKind.True;

    /// <summary>Why a load with these parameters is not possible; null when it is.</summary>
    public Problem? LoadProblem
    {
        get
        {
            if (_json is null || !_json.RootElement.TryGetProperty("parameters", out var parameters) || parameters.ValueKind != JsonValueKind.Object)
            {
                return null;
            }

            foreach (var parameter in parameters.EnumerateObject())
            {
                if (IsRefused(parameter.Name))
                {
                    return NotSupported(parameter.Name);
                }
            }

            return null;
        }
    }

    /// <summary>Models and their settings come by deploying, never by loading.</summary>
    public static bool IsRefused(string parameter) => parameter == "config" || parameter.StartsWith("file:", StringComparison.Ordinal);

    public static Problem NotSupported(string parameter) => new(
        ProblemCode.NotSupported, $"Loading with the parameter '{(parameter == "config" ? parameter : "file:")}' is not supported. Deploy the model instead: 'dormouse deploy'.");

    public static async ValueTask<RepositoryRequest> ReadAsync(HttpContext context, int bytesMax, TimeProvider time)
    {
        await using var body = await RequestBody.ReadAsync(context, bytesMax, time);
        if (body.Problem is not null)
        {
            return new RepositoryRequest(null, body.Problem);
        }

        if (body.KnownBytes == 0)
        {
            return new RepositoryRequest(null, null);
        }

        try
        {
            await using var content = body.Open(deadline: null);
            var json = await JsonDocument.ParseAsync(content, cancellationToken: context.RequestAborted);
            return json.RootElement.ValueKind == JsonValueKind.Object
                ? new RepositoryRequest(json, null)
                : new RepositoryRequest(null, Invalid("it is no object"));
        }
        catch (JsonException fault)
        {
            return new RepositoryRequest(null, Invalid($"line {fault.LineNumber + 1}, byte {fault.BytePositionInLine + 1}"));
        }
    }

    public void Dispose() => _json?.Dispose();

    private static Problem Invalid(string where) => new(ProblemCode.RequestInvalid, $"The request body is not the JSON that this address takes: {where}.");
}
