using System.Text.Json;
using System.Text.Json.Serialization;

namespace Dormouse.Storage.Backup;

/// <summary>What a backup's folder says of itself, in <c>backup.json</c>. It is written last: a folder without it is no backup.</summary>
public sealed class BackupManifest
{
    public const string FileName = "backup.json";

    private const int CurrentFormat = 1;

    public int Format { get; set; } = CurrentFormat;

    /// <summary>UTC.</summary>
    public DateTimeOffset MadeAt { get; set; }

    /// <summary>The database that it was made of, for people.</summary>
    public string Store { get; set; } = "";

    public Guid ServerId { get; set; }

    /// <summary>Files of packages that it holds.</summary>
    public int Files { get; set; }

    public long FileBytes { get; set; }

    /// <summary>Its database holds sealed values, which cannot be read without the key file. That is not in the backup.</summary>
    public bool IsSealed { get; set; }

    internal void Write(string folder) =>
        File.WriteAllText(Path.Combine(folder, FileName), JsonSerializer.Serialize(this, BackupManifestJson.Default.BackupManifest) + "\n");

    /// <exception cref="DataFolderException">It is no backup, not a whole one, or one of a newer version.</exception>
    internal static BackupManifest Read(string folder)
    {
        var path = Path.Combine(folder, FileName);
        if (!File.Exists(path))
        {
            throw new DataFolderException($"'{folder}' is no backup, or one that was not finished: it has no {FileName}.");
        }

        try
        {
            var manifest = JsonSerializer.Deserialize(File.ReadAllText(path), BackupManifestJson.Default.BackupManifest);
            return manifest is { Format: CurrentFormat }
                ? manifest
                : throw new DataFolderException($"The backup '{folder}' has format {manifest?.Format}; this version reads format {CurrentFormat}. Use the version that wrote it, or a newer one.");
        }
        catch (JsonException e)
        {
            throw new DataFolderException($"'{path}' cannot be read: {e.Message}", e);
        }
    }
}

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower, WriteIndented = true)]
[JsonSerializable(typeof(BackupManifest))]
internal sealed partial class BackupManifestJson : JsonSerializerContext;
