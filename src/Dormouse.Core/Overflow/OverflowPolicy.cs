namespace Dormouse.Core.Overflow;

/// <summary>Another server or endpoint that takes a revision's invocations when there is no capacity here.</summary>
/// <param name="Url">Absolute, http or https, without user, query and fragment. Without a path: a server like this one, asked at the same paths; with one: the endpoint's own address.</param>
/// <param name="Max">Most invocations at it at once, 1 to <see cref="OverflowRules.MaxMost"/>.</param>
/// <param name="KeyFile">Name of the file in the server's folder of such keys that holds its key; null = none.</param>
/// <param name="KeyEnv">Name of the server's environment variable that holds its key; null = none.</param>
public sealed record OverflowPolicy(string Url, int Max, string? KeyFile, string? KeyEnv)
{
    /// <summary>Host and port as written: what callers and receipts are told.</summary>
    public string Host => new Uri(Url).Authority;

    /// <summary>It is the endpoint's own address, of any program; else that of a server like this one.</summary>
    public bool HasPath => new Uri(Url).AbsolutePath.Length > 1;
}

/// <summary>The same as a user asked for it, before defaults; null = the default.</summary>
public sealed record OverflowWishes(string? Url, int? Max = null, string? KeyFile = null, string? KeyEnv = null);
