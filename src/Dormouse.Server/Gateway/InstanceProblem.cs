using System.Text.Json;
using Dormouse.Protocol.Problems;

namespace Dormouse.Server.Gateway;

/// <summary>The problem documents of our own worker: passed on with the invocation's id. Errors of other programs are theirs and pass untouched.</summary>
internal static class InstanceProblem
{
    /// <summary>Longest document that is looked at, bytes.</summary>
    private const long BytesMax = 64 * 1024;

    /// <summary>The document to send instead of the answer's body, or null when the answer is no problem document of ours.</summary>
    public static async ValueTask<byte[]?> ReadAsync(HttpResponseMessage response, Invocation invocation, InstanceTarget target, CancellationToken cancellationToken)
    {
        if ((int)response.StatusCode < 400 || !invocation.Revision.Spec.Kind.RunsModels || response.Content.Headers.ContentLength is not (> 0 and <= BytesMax))
        {
            return null;
        }

        var bytes = await response.Content.ReadAsByteArrayAsync(cancellationToken);
        if (Parse(bytes) is not { Code: not null } document)
        {
            return bytes;
        }

        var passed = document with
        {
            InvocationId = invocation.Id.ToString(),
            Error = target.IsInference ? document.Error ?? document.Detail : null,
        };
        return JsonSerializer.SerializeToUtf8Bytes(passed, ProblemJson.Default.ProblemDocument);
    }

    /// <summary>Null when the bytes are no problem document.</summary>
    public static ProblemDocument? Parse(ReadOnlySpan<byte> json)
    {
        try
        {
            return JsonSerializer.Deserialize(json, ProblemJson.Default.ProblemDocument);
        }
        catch (JsonException)
        {
            return null;
        }
    }
}
