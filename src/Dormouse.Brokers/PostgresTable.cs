using Dormouse.Core.Events;
using Npgsql;

namespace Dormouse.Brokers;

/// <summary>The statements about one table of rows that wait. Names are quoted: whatever a trigger calls a column, it is one.</summary>
internal sealed class PostgresTable
{
    private readonly string _table;
    private readonly string _rejected;
    private readonly string _id;
    private readonly string _payload;
    private readonly string _waits;
    private readonly string _done;
    private readonly string _these;

    /// <param name="idType">As the database names the type of the id, so that rows are found by its index.</param>
    /// <param name="payloadType">The same of the payload.</param>
    private PostgresTable(Trigger trigger, string idType, string payloadType)
    {
        var name = trigger.Value("table", "");
        (_table, _rejected) = (Quoted(name), Quoted(name + "_rejected"));
        (_id, _payload) = (Column(trigger, "id", "id"), Column(trigger, "payload", "payload"));
        var mark = trigger.Value("after", "delete") == "mark" ? Column(trigger, "mark", "done_at") : null;
        _waits = mark is null ? "TRUE" : $"{mark} IS NULL";
        _these = $"{_id} = ANY($1::text[]::{idType}[])";
        _done = mark is null ? $"DELETE FROM {_table} WHERE {_these}" : $"UPDATE {_table} SET {mark} = now() WHERE {_these}";
        IsBytes = payloadType == "bytea";
        ContentType = payloadType is "json" or "jsonb" ? "application/json" : null;
        PayloadType = payloadType;
    }

    public bool IsBytes { get; }

    public string? ContentType { get; }

    private string PayloadType { get; }

    /// <summary>Rows that wait and that nobody else has, up to $2, but not those that we have ($1).</summary>
    public string Take =>
        $"SELECT {_id}::text, {(IsBytes ? _payload : _payload + "::text")} FROM {_table} WHERE {_waits} AND {_id}::text <> ALL($1) ORDER BY {_id} LIMIT $2 FOR UPDATE SKIP LOCKED";

    /// <summary>Those whose ids are $1 wait no more.</summary>
    public string Done => _done;

    /// <summary>What waits, counted no further than one needs to know.</summary>
    public string Lag => $"SELECT count(*) FROM (SELECT 1 FROM {_table} WHERE {_waits} LIMIT 100000) AS waiting";

    public string MakeRejected => $"CREATE TABLE IF NOT EXISTS {_rejected} (id text, payload {PayloadType}, reason text, rejected_at timestamptz)";

    /// <summary>Those whose ids are $1, for the reason $2.</summary>
    public string Reject => $"INSERT INTO {_rejected} (id, payload, reason, rejected_at) SELECT {_id}::text, {_payload}, $2, now() FROM {_table} WHERE {_these}";

    /// <exception cref="PostgresException">There is no such table or column.</exception>
    public static async Task<PostgresTable> ReadAsync(NpgsqlConnection connection, Trigger trigger, CancellationToken cancellationToken)
    {
        await using var command = new NpgsqlCommand(
            $"SELECT {Column(trigger, "id", "id")}, {Column(trigger, "payload", "payload")} FROM {Quoted(trigger.Value("table", ""))} LIMIT 0", connection);
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        return new PostgresTable(trigger, Type(reader, 0), Type(reader, 1));
    }

    /// <summary><c>sales.outbox</c> is a table of a schema.</summary>
    public static string Quoted(string name) => string.Join('.', name.Split('.').Select(part => $"\"{part.Replace("\"", "\"\"", StringComparison.Ordinal)}\""));

    private static string Column(Trigger trigger, string key, string fallback) => $"\"{trigger.Value(key, fallback).Replace("\"", "\"\"", StringComparison.Ordinal)}\"";

    /// <summary>Without its length: <c>character varying(20)</c> is as good as one of any length here.</summary>
    private static string Type(NpgsqlDataReader reader, int column) => reader.GetDataTypeName(column).Split('(')[0];
}
