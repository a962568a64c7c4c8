using System.Net.Http.Headers;
using System.Text.Json;
using Dormouse.Protocol.Problems;

namespace Dormouse.Client;

/// <summary>From an answer that is no success to a <see cref="DormouseException"/>.</summary>
internal static class ProblemReader
{
    /// <summary>A problem document is short; of anything longer (a proxy's page) only the status is told.</summary>
    private const int DocumentBytesMax = 64 * 1024;

    public static async Task<DormouseException> ReadAsync(HttpResponseMessage response, TimeProvider time, CancellationToken cancellationToken)
    {
        var problem = await ReadDocumentAsync(response.Content, cancellationToken).ConfigureAwait(false);
        var status = (int)response.StatusCode;
        problem = problem is null
            ? new ProblemDocument { Status = status, Title = response.ReasonPhrase, Detail = $"The server answered {status} {response.ReasonPhrase}.", Code = "http_" + status }
            : problem with { Status = status, Detail = problem.Detail ?? problem.Error ?? problem.Title };
        return new DormouseException(problem) { RetryAfter = Wait(response.Headers.RetryAfter, time) };
    }

    /// <summary>Null when the body is no problem document.</summary>
    public static ProblemDocument? Parse(ReadOnlySpan<byte> body)
    {
        try
        {
            var problem = JsonSerializer.Deserialize(body, ProblemJson.Default.ProblemDocument);
            return problem is { Detail: null, Error: null, Title: null, Code: null } ? null : problem;
        }
        catch (JsonException)
        {
            // Not ours: a proxy or another program answered.
            return null;
        }
    }

    private static async Task<ProblemDocument?> ReadDocumentAsync(HttpContent content, CancellationToken cancellationToken)
    {
        if (content.Headers.ContentLength is 0 || content.Headers.ContentType?.MediaType is not { } media || !media.EndsWith("json", StringComparison.OrdinalIgnoreCase))
        {
            return null;
        }

        var stream = await content.ReadAsStreamAsync(cancellationToken).ConfigureAwait(false);
        var buffer = new byte[DocumentBytesMax];
        var length = await stream.ReadAtLeastAsync(buffer, buffer.Length, throwOnEndOfStream: false, cancellationToken).ConfigureAwait(false);
        return Parse(buffer.AsSpan(0, length));
    }

    private static TimeSpan? Wait(RetryConditionHeaderValue? header, TimeProvider time) => header switch
    {
        { Delta: { } delta } => delta,
        { Date: { } date } => date - time.GetUtcNow(),
        _ => null,
    };
}
