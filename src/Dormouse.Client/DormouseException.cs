using System.Net;
using System.Security.Authentication;
using Dormouse.Protocol.Problems;

namespace Dormouse.Client;

/// <summary>The server refused or failed; <see cref="Problem"/> says why, also when the answer held no problem document of its own.</summary>
public class DormouseException(ProblemDocument problem, Exception? inner = null) : Exception(problem.Detail ?? problem.Title ?? "The request failed.", inner)
{
    public ProblemDocument Problem { get; } = problem;

    /// <summary>HTTP status of the answer; null when there was no answer.</summary>
    public HttpStatusCode? Status => Problem.Status == 0 ? null : (HttpStatusCode)Problem.Status;

    public bool IsNotFound => Status == HttpStatusCode.NotFound;

    /// <summary>When the server said that trying again makes sense.</summary>
    public TimeSpan? RetryAfter { get; init; }
}

/// <summary>No answer came: nothing listens at the address, or the connection broke.</summary>
public sealed class ServerUnreachableException(Uri server, Exception inner) : DormouseException(
    new ProblemDocument
    {
        Type = "urn:dormouse:problem:" + Code,
        Title = "The server is not reachable",
        Detail = Distrust(inner) is { } distrust
            ? $"The server at {server.GetLeftPart(UriPartial.Authority)} shows no certificate that is trusted here ({distrust.Message})."
            : $"No Dormouse server answers at {server.GetLeftPart(UriPartial.Authority)} ({inner.InnerException?.Message ?? inner.Message}).",
        Code = Code,
        Retryable = Distrust(inner) is null,
    },
    inner)
{
    /// <summary>A code of the client alone: no server sends it.</summary>
    public const string Code = "server_unreachable";

    /// <summary>Somebody answers, and does not prove to be the server that was meant.</summary>
    public bool IsUntrusted => InnerException is { } inner && Distrust(inner) is not null;

    public Uri Server { get; } = server;

    private static AuthenticationException? Distrust(Exception inner) => inner.InnerException as AuthenticationException;
}
