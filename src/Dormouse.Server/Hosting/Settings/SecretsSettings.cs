namespace Dormouse.Server.Hosting.Settings;

/// <summary>How secrets are sealed.</summary>
internal sealed record SecretsSettings
{
    /// <summary>The file with the keys. Null = <c>secrets.key</c> in the data folder. Servers that share a database need the same.</summary>
    public string? KeyFile { get; init; }

    public static SecretsSettings Read(SettingsReader reader) => new() { KeyFile = reader.Text("secrets.key_file") is { Length: > 0 } path ? Path.GetFullPath(path) : null };
}
