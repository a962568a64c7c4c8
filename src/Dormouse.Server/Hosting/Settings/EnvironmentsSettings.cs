using System.Collections.Immutable;
using Dormouse.Drivers;

namespace Dormouse.Server.Hosting.Settings;

/// <summary>Python environments: how they are built, and how long unused ones are kept.</summary>
internal sealed record EnvironmentsSettings
{
    public required EnvironmentBuildOptions Build { get; init; }

    /// <summary>Further interpreters, paths or names in PATH. Default none: the server's own and <c>python3.N</c> in PATH count anyway.</summary>
    public required ImmutableArray<string> Interpreters { get; init; }

    /// <summary>How long an environment that no revision uses is kept. Default 24 h, 0 to 90 days.</summary>
    public required TimeSpan Keep { get; init; }

    public static EnvironmentsSettings Read(SettingsReader reader) => new()
    {
        Build = new EnvironmentBuildOptions
        {
            Builder = reader.Choice("environments.builder", "auto", "auto", "uv", "pip"),
            Uv = reader.Text("environments.uv") ?? "uv",
            Arguments = Words(reader.Text("environments.pip_arguments")),
            MemoryBytes = reader.SizeBytes("environments.memory", 2L << 30, 64L << 20, 64L << 40),
            TimeLimit = reader.Duration("environments.time_limit", TimeSpan.FromMinutes(15), TimeSpan.FromSeconds(1), TimeSpan.FromHours(24)),
            AtOnceMax = reader.Number("environments.builds_at_once", 1, 1, 64),
        },
        Interpreters = Words(reader.Text("environments.interpreters")),
        Keep = reader.Duration("environments.keep", TimeSpan.FromHours(24), TimeSpan.Zero, TimeSpan.FromDays(90)),
    };

    private static ImmutableArray<string> Words(string? text) => [.. (text ?? "").Split(' ', StringSplitOptions.RemoveEmptyEntries)];
}
