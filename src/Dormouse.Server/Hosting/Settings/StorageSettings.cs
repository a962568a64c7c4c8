using Dormouse.Storage.Postgres;

namespace Dormouse.Server.Hosting.Settings;

/// <summary>Which database the server keeps its data in.</summary>
internal sealed record StorageSettings
{
    public const string Key = "storage";

    private const string Embedded = "sqlite";

    /// <summary>Null = the one in the data folder, which is the default.</summary>
    public PostgresAddress? Postgres { get; init; }

    public static StorageSettings Read(SettingsReader reader)
    {
        if (reader.Text(Key) is not { Length: > 0 } text || text.Equals(Embedded, StringComparison.OrdinalIgnoreCase))
        {
            return new StorageSettings();
        }

        return ReadAddress(reader, text);
    }

    /// <summary>Apart, so that the library for PostgreSQL is loaded only when it is asked for. The value is not shown: it may hold a password.</summary>
    private static StorageSettings ReadAddress(SettingsReader reader, string text)
    {
        var address = PostgresAddress.TryParse(text);
        if (address is null)
        {
            reader.Fault($"{Key} is {(PostgresAddress.IsMeant(text) ? "no valid address of a PostgreSQL database (it is not shown here because it may hold a password)" : $"'{text}'")}; allowed is {Embedded}, or {PostgresAddress.Allowed}.");
        }

        return new StorageSettings { Postgres = address };
    }
}
