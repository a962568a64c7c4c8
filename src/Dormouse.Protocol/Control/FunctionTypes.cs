using System.Collections.Immutable;
using System.Text.Json;

namespace Dormouse.Protocol.Control;

/// <summary>Body of <c>POST /api/v1/functions</c>: which functions do these Python files have?</summary>
public sealed record FunctionsRequest
{
    /// <summary>Files already uploaded (see <c>/api/v1/blobs</c>).</summary>
    public required ImmutableArray<PackageFileInfo> Files { get; init; }

    /// <summary>Which file it is, when the usual names do not say; with or without a function, which is not looked at.</summary>
    public string? Handler { get; init; }

    /// <summary>Set before the file is imported.</summary>
    public ImmutableSortedDictionary<string, string>? Environment { get; init; }

    /// <summary>Secrets that the file gets while it is imported, besides those that its decorators name: variable → name.</summary>
    public ImmutableSortedDictionary<string, string>? Secrets { get; init; }

    /// <summary>As <see cref="Secrets"/>, as files.</summary>
    public ImmutableSortedDictionary<string, string>? SecretFiles { get; init; }

    /// <summary>How the file is isolated while it is imported, as its instances are; see <see cref="RevisionSettings"/>. Null = as its decorators say, else the server's default.</summary>
    public string? Isolation { get; init; }

    /// <summary>"none" or "outbound"; null = as its decorators say.</summary>
    public string? Network { get; init; }

    /// <summary>What whoever deploys says of the environment; it counts over decorators. See <see cref="RevisionSettings"/>.</summary>
    public string? Python { get; init; }

    public ImmutableArray<string>? Pip { get; init; }

    public string? Requirements { get; init; }

    public bool? SystemPackages { get; init; }
}

/// <param name="Module">Path of the file that was found or named.</param>
/// <param name="App">Name that the app gives itself; null = none.</param>
/// <param name="Python">Version that imported it, such as "3.11".</param>
/// <param name="LoadMs">Time of the import.</param>
public sealed record FunctionList(string Module, string? App, string Python, ImmutableArray<FunctionInfo> Functions, double LoadMs);

/// <summary>A function that may become an endpoint.</summary>
public sealed record FunctionInfo
{
    public required string Name { get; init; }

    /// <summary>"function", "method", "web", "asgi", "handle", "huggingface", "cog".</summary>
    public required string Kind { get; init; }

    /// <summary>What a deploy of it would be given: runtime, handler, and what its decorator says.</summary>
    public required RevisionSettings Settings { get; init; }

    /// <summary>What its decorator asks for and this server cannot do, a sentence each: a deploy should not go on. Empty = nothing.</summary>
    public ImmutableArray<string> Unmet { get; set; } = [];

    /// <summary>Cron expression (UTC) at whose times its decorator wants it to be called; null = none.</summary>
    public string? Schedule { get; init; }

    /// <summary>It answers with a stream of values.</summary>
    public bool Stream { get; init; }

    public string? Doc { get; init; }

    /// <summary>JSON Schema of the body; null = anything.</summary>
    public JsonElement? Input { get; init; }

    /// <summary>JSON Schema of the answer; null = anything.</summary>
    public JsonElement? Output { get; init; }
}
