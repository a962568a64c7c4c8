using System.Collections.Immutable;
using System.Text.Json;
using System.Text.Json.Serialization;
using Dormouse.Core.Environments;

namespace Dormouse.Server.Environments;

/// <summary>
/// Environments on disk, one folder each, built at the place where they stay because their programs refer to it. One is whole when it has its marker, which is written last and by renaming: what a crash
/// leaves has none, is never used, and is removed before the next build and by the sweeper.
/// </summary>
internal sealed class EnvironmentFolders(string root, TimeProvider time)
{
    private const string Marker = "environment.json";
    private const string Log = "build.log";
    private const string GoneMark = ".gone-";

    public string PathOf(EnvironmentId id) => Path.Combine(root, id.Value);

    /// <summary>It is whole and its interpreter is there.</summary>
    public bool IsReady(EnvironmentId id) => File.Exists(MarkerOf(id)) && File.Exists(Path.Combine(PathOf(id), "venv", "bin", "python"));

    /// <summary>All that have a folder, whole or not; none when nothing was ever built.</summary>
    public ImmutableArray<EnvironmentId> All() => Directory.Exists(root)
        ? [.. Directory.EnumerateDirectories(root).Select(Path.GetFileName).Where(EnvironmentId.IsValid).Select(n => new EnvironmentId(n!)).OrderBy(i => i.Value, StringComparer.Ordinal)]
        : [];

    /// <summary>What is known of a whole one; null when it is not whole.</summary>
    public BuiltEnvironment? Read(EnvironmentId id)
    {
        try
        {
            return JsonSerializer.Deserialize(File.ReadAllBytes(MarkerOf(id)), EnvironmentJson.Default.BuiltEnvironment);
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException or JsonException)
        {
            return null;
        }
    }

    /// <summary>Lines of its build.</summary>
    public ImmutableArray<string> ReadLog(EnvironmentId id)
    {
        try
        {
            return [.. File.ReadAllLines(Path.Combine(PathOf(id), Log))];
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            return [];
        }
    }

    /// <summary>An empty folder with what is to be installed; what was there is removed.</summary>
    public void Prepare(EnvironmentPlan plan)
    {
        Directory.CreateDirectory(root);
        Delete(plan.Id);
        var folder = PathOf(plan.Id);
        Directory.CreateDirectory(folder);
        File.WriteAllLines(Path.Combine(folder, "requirements.txt"), plan.Text.Lines);
        if (!plan.Text.Constraints.IsEmpty)
        {
            File.WriteAllLines(Path.Combine(folder, "constraints.txt"), plan.Text.Constraints);
        }
    }

    /// <summary>It is whole from now on.</summary>
    public void Complete(EnvironmentId id, BuiltEnvironment built, IEnumerable<string> log)
    {
        File.WriteAllLines(Path.Combine(PathOf(id), Log), log);
        var part = MarkerOf(id) + ".part";
        using (var file = new FileStream(part, FileMode.Create, FileAccess.Write))
        {
            JsonSerializer.Serialize(file, built, EnvironmentJson.Default.BuiltEnvironment);
            file.Flush(flushToDisk: true);
        }

        File.Move(part, MarkerOf(id), overwrite: true);
    }

    /// <summary>It is used now.</summary>
    public void Touch(EnvironmentId id)
    {
        try
        {
            File.SetLastWriteTimeUtc(MarkerOf(id), time.GetUtcNow().UtcDateTime);
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            // It is not whole: nothing to note.
        }
    }

    /// <summary>When it was last touched; null when it is not whole.</summary>
    public DateTimeOffset? LastUsed(EnvironmentId id) => File.Exists(MarkerOf(id)) ? File.GetLastWriteTimeUtc(MarkerOf(id)) : null;

    /// <summary>Removes it: first its name, so that a removal that breaks off leaves nothing that looks like an environment.</summary>
    public void Delete(EnvironmentId id)
    {
        var folder = PathOf(id);
        if (Directory.Exists(folder))
        {
            var aside = $"{folder}{GoneMark}{time.GetUtcNow().Ticks}";
            Directory.Move(folder, aside);
            Directory.Delete(aside, recursive: true);
        }
    }

    /// <summary>Removes what removals that broke off have left.</summary>
    public void Clean()
    {
        foreach (var left in Directory.Exists(root) ? Directory.EnumerateDirectories(root, "*" + GoneMark + "*") : [])
        {
            Directory.Delete(left, recursive: true);
        }
    }

    private string MarkerOf(EnvironmentId id) => Path.Combine(PathOf(id), Marker);
}

/// <summary>What the marker of a whole environment says.</summary>
/// <param name="Python">Full version of its interpreter.</param>
/// <param name="Builder">Such as "pip 23.2.1".</param>
/// <param name="Requirements">What was to be installed.</param>
/// <param name="Packages">What is in it, as "name==version".</param>
/// <param name="Seconds">Time of the build.</param>
internal sealed record BuiltEnvironment(
    string Python, bool SystemPackages, string Builder, ImmutableArray<string> Requirements, ImmutableArray<string> Packages, long SizeBytes, DateTimeOffset BuiltAt, double Seconds);

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower)]
[JsonSerializable(typeof(BuiltEnvironment))]
internal sealed partial class EnvironmentJson : JsonSerializerContext;
