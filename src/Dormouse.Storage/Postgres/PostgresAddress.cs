using System.Globalization;
using Npgsql;

namespace Dormouse.Storage.Postgres;

/// <summary>Where a PostgreSQL database is, from a text such as <c>postgres://user:password@host:5432/database?sslmode=require</c>.</summary>
public sealed class PostgresAddress
{
    public const string Allowed = "postgres://USER:PASSWORD@HOST:PORT/DATABASE, with settings of the connection behind a question mark, such as ?sslmode=require";

    /// <summary>How long a connection may take to be made, unless the address says otherwise.</summary>
    private const int ConnectSeconds = 5;

    /// <summary>How long a statement may take, unless the address says otherwise. Then the database counts as away.</summary>
    private const int StatementSeconds = 10;

    /// <summary>Statements that the database keeps prepared for one connection: more than there are.</summary>
    private const int PreparedMax = 200;

    private PostgresAddress(string shown, string connectionString)
    {
        Shown = shown;
        ConnectionString = connectionString;
    }

    /// <summary>For people: without the password.</summary>
    public string Shown { get; }

    /// <summary>For Npgsql; it holds the password.</summary>
    internal string ConnectionString { get; }

    /// <summary>True for a text that means a PostgreSQL database, valid or not.</summary>
    public static bool IsMeant(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        return text.StartsWith("postgres:", StringComparison.OrdinalIgnoreCase) || text.StartsWith("postgresql:", StringComparison.OrdinalIgnoreCase);
    }

    /// <summary>Null when the text is no such address.</summary>
    /// <remarks>As libpq reads it: parts are percent-encoded, a host may be the folder of a Unix socket (also as <c>?host=/run/postgresql</c>), the user is the database's default name.</remarks>
    public static PostgresAddress? TryParse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        var rest = text.StartsWith("postgres://", StringComparison.OrdinalIgnoreCase) ? text[11..]
            : text.StartsWith("postgresql://", StringComparison.OrdinalIgnoreCase) ? text[13..]
            : null;
        if (rest is null || rest.Contains('#', StringComparison.Ordinal))
        {
            return null;
        }

        var (body, query) = Cut(rest, '?');
        var (authority, database) = Cut(body, '/');
        var at = authority.LastIndexOf('@');
        var (user, password) = Cut(at < 0 ? "" : authority[..at], ':');
        try
        {
            var builder = new NpgsqlConnectionStringBuilder
            {
                Pooling = false,
                Enlist = false,
                Timeout = ConnectSeconds,
                CommandTimeout = StatementSeconds,
                CancellationTimeout = 1_000,
                MaxAutoPrepare = PreparedMax,
                AutoPrepareMinUsages = 2,
                TcpKeepAlive = true,
                GssEncryptionMode = GssEncryptionMode.Disable,
                ApplicationName = "dormouse",
                Host = "localhost",
            };
            ReadHost(builder, authority[(at + 1)..]);
            Set(builder, "Username", Uri.UnescapeDataString(user));
            Set(builder, "Password", Uri.UnescapeDataString(password));
            Set(builder, "Database", Uri.UnescapeDataString(database));
            foreach (var pair in query.Split('&', StringSplitOptions.RemoveEmptyEntries))
            {
                var (key, value) = Cut(pair, '=');
                Set(builder, Keyword(Uri.UnescapeDataString(key)), Uri.UnescapeDataString(value));
            }

            builder.Database ??= builder.Username;
            var place = builder.Host!.StartsWith('/') ? builder.Host : string.Create(CultureInfo.InvariantCulture, $"{builder.Host}:{builder.Port}");
            return builder.Database is null
                ? null
                : new PostgresAddress($"postgres://{(builder.Username is { } name ? name + "@" : "")}{place}/{builder.Database}", builder.ConnectionString);
        }
        catch (Exception e) when (e is ArgumentException or FormatException or KeyNotFoundException or InvalidCastException or OverflowException)
        {
            return null;
        }
    }

    public override string ToString() => Shown;

    private static void ReadHost(NpgsqlConnectionStringBuilder builder, string text)
    {
        var colon = text.LastIndexOf(':');
        var hasPort = colon >= 0 && !text.EndsWith(']');
        Set(builder, "Host", Uri.UnescapeDataString(hasPort ? text[..colon] : text).Trim('[', ']'));
        if (hasPort)
        {
            builder.Port = int.Parse(text.AsSpan(colon + 1), NumberStyles.None, CultureInfo.InvariantCulture);
        }
    }

    private static void Set(NpgsqlConnectionStringBuilder builder, string keyword, string value)
    {
        if (value.Length > 0)
        {
            builder[keyword] = value;
        }
    }

    /// <summary>Names of libpq become Npgsql's; Npgsql's own are taken as they are.</summary>
    private static string Keyword(string name) => name.ToLowerInvariant() switch
    {
        "dbname" => "Database",
        "user" => "Username",
        "sslmode" => "SSL Mode",
        "sslrootcert" => "Root Certificate",
        "sslcert" => "SSL Certificate",
        "sslkey" => "SSL Key",
        "sslpassword" => "SSL Password",
        "connect_timeout" => "Timeout",
        "application_name" => "Application Name",
        "search_path" => "Search Path",
        "passfile" => "Passfile",
        var other => other.Replace('_', ' '),
    };

    private static (string Before, string After) Cut(string text, char at)
    {
        var index = text.IndexOf(at, StringComparison.Ordinal);
        return index < 0 ? (text, "") : (text[..index], text[(index + 1)..]);
    }
}
