using System.Collections.Immutable;
using System.Text.Json.Serialization;
using Dormouse.Core.Packages;

namespace Dormouse.Server.Prefetch;

/// <summary>Files that a start of a package reads, in the order in which it first opened them.</summary>
/// <param name="Version">Of this form; another one is not read.</param>
internal sealed record StartRecord(int Version, ImmutableArray<UsedFile> Files)
{
    public const int CurrentVersion = 1;

    /// <summary>What is wrong with it, a few words; null = nothing.</summary>
    public string? Fault => Version != CurrentVersion ? $"it is of version {Version}"
        : Files.IsDefaultOrEmpty ? "it names no file"
        : Files.Any(f => f is null || !f.IsValid) ? "a file of it has a path or a range that cannot be"
        : null;
}

/// <param name="Path">Within its place, with '/'.</param>
/// <param name="SizeBytes">When it was recorded: one of another size is another file.</param>
/// <param name="Ranges">Chunks of it that were in memory after the start: first and count, first and count, ascending.</param>
internal sealed record UsedFile(FilePlace Place, string Path, long SizeBytes, ImmutableArray<int> Ranges)
{
    /// <summary>Paths stay within their place and ranges within an order.</summary>
    [JsonIgnore]
    public bool IsValid => Enum.IsDefined(Place) && Path is not null && PackageRules.PathRefusal(Path) is null && SizeBytes >= 0 && !Ranges.IsDefault && Ranges.Length % 2 == 0
        && Ranges.All(r => r >= 0) && Chunks().Zip(Chunks().Skip(1)).All(pair => pair.First < pair.Second);

    /// <summary>Numbers of its chunks.</summary>
    public IEnumerable<int> Chunks()
    {
        for (var i = 0; i < Ranges.Length; i += 2)
        {
            for (var chunk = Ranges[i]; chunk - Ranges[i] < Ranges[i + 1]; chunk++)
            {
                yield return chunk;
            }
        }
    }

    /// <summary>Ascending chunks as ranges.</summary>
    public static ImmutableArray<int> RangesOf(IEnumerable<int> chunks)
    {
        var ranges = ImmutableArray.CreateBuilder<int>();
        foreach (var chunk in chunks)
        {
            if (ranges.Count > 0 && ranges[^2] + ranges[^1] == chunk)
            {
                ranges[^1]++;
            }
            else
            {
                ranges.Add(chunk);
                ranges.Add(1);
            }
        }

        return ranges.ToImmutable();
    }
}

/// <summary>Where a file of a start lies.</summary>
[JsonConverter(typeof(JsonStringEnumConverter<FilePlace>))]
internal enum FilePlace
{
    /// <summary>In the package's folder.</summary>
    Package,

    /// <summary>In the folder of its Python environment.</summary>
    Environment,

    /// <summary>Among the blobs, its path is its hash: a model's optimised file.</summary>
    Blob,

    /// <summary>Among the system's Python packages, from the root of the file system on.</summary>
    System,
}

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower)]
[JsonSerializable(typeof(StartRecord))]
internal sealed partial class StartRecordJson : JsonSerializerContext;
