using System.Collections.Immutable;
using Dormouse.Core.Endpoints;

namespace Dormouse.Server.Pipelines;

/// <summary>W3C trace context: the caller's goes to every step; without one the run begins one.</summary>
internal static class TraceHeaders
{
    private const string Parent = "traceparent";
    private const string State = "tracestate";

    /// <param name="headers">Of the request that the run answers.</param>
    public static ImmutableArray<KeyValuePair<string, string>> Of(InvocationId run, IEnumerable<KeyValuePair<string, string>> headers)
    {
        ImmutableArray<KeyValuePair<string, string>> sent = [.. headers.Where(h => Is(h.Key, Parent) || Is(h.Key, State))];
        if (sent.Any(h => Is(h.Key, Parent)))
        {
            return sent;
        }

        var digits = run.Value.ToString("N");
        return [KeyValuePair.Create(Parent, $"00-{digits}-{digits[16..]}-01")];
    }

    private static bool Is(string header, string name) => header.Equals(name, StringComparison.OrdinalIgnoreCase);
}
