using System.Collections.Immutable;

namespace Dormouse.Server.Hosting.Settings;

/// <summary>One value as it was written.</summary>
/// <param name="Key">Canonical: <c>section.key</c>, lower case, without the underscores of either.</param>
/// <param name="Written">The key as its writer spelled it.</param>
/// <param name="Origin">For people: "server.yaml line 4" or "the environment".</param>
internal sealed record Setting(string Key, string Written, string Value, string Origin)
{
    /// <summary><c>Workers:PoolSize</c>, <c>workers.pool_size</c> and <c>WORKERS__POOL_SIZE</c> are one key.</summary>
    public static string Canonical(string written) =>
        written.Replace("__", ".", StringComparison.Ordinal).Replace(':', '.').Replace("_", "", StringComparison.Ordinal).ToLowerInvariant();
}

/// <summary>Settings from the environment: <c>DORMOUSE_SECTION__KEY</c>. Names without a double underscore are not settings.</summary>
internal static class EnvironmentSettings
{
    private const string Prefix = "DORMOUSE_";

    public static ImmutableArray<Setting> Read(IReadOnlyDictionary<string, string> environment) =>
    [
        .. environment
            .Where(e => e.Key.StartsWith(Prefix, StringComparison.Ordinal) && e.Key.Contains("__", StringComparison.Ordinal))
            .OrderBy(e => e.Key, StringComparer.Ordinal)
            .Select(e => new Setting(Setting.Canonical(e.Key[Prefix.Length..]), e.Key, e.Value, "the environment")),
    ];
}
