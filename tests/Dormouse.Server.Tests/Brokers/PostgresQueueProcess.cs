using Dormouse.Storage.Tests.Support;
using Npgsql;

namespace Dormouse.Server.Tests.Brokers;

/// <summary>A PostgreSQL of its own with a table of rows that wait.</summary>
/// <param name="after">Whether rows are deleted or marked.</param>
internal sealed class PostgresQueueProcess(string after = "delete") : BrokerProcess
{
    private PrivatePostgres? _server;
    private string _folder = "";

    public override Dictionary<string, string> Source => new()
    {
        ["url"] = $"postgres://dormouse@localhost/postgres?host={Uri.EscapeDataString(_folder)}",
        ["table"] = "public.Orders",
        ["after"] = after,
        ["channel"] = "orders",
    };

    public override async Task StartAsync()
    {
        Assert.SkipUnless(PrivatePostgres.BinFolder is not null, "PostgreSQL is not installed; ./test installs it.");
        if (_server is { } server)
        {
            await server.RestartAsync();
            return;
        }

        _server = await PrivatePostgres.StartAsync();
        _folder = Uri.UnescapeDataString(_server.Url().Split("host=")[1]);
    }

    public override Task KillAsync() => _server!.KillAsync(); // It was started.

    public override Task PrepareAsync() => RunAsync("CREATE TABLE \"Orders\" (id bigserial PRIMARY KEY, payload jsonb, done_at timestamptz)");

    public override async Task SendAsync(params string[] bodies)
    {
        foreach (var body in bodies)
        {
            await RunAsync($"INSERT INTO \"Orders\" (payload) VALUES ('{body}'); NOTIFY orders");
        }
    }

    public override async Task<long> LeftAsync() => (long)(await RunAsync(after == "mark" ? "SELECT count(*) FROM \"Orders\" WHERE done_at IS NULL" : "SELECT count(*) FROM \"Orders\""))!; // A count is a number.

    public async Task<object?> RunAsync(string statement)
    {
        await using var connection = new NpgsqlConnection($"Host={_folder};Username=dormouse;Database=postgres;Pooling=false");
        await connection.OpenAsync(Cancellation);
        await using var command = new NpgsqlCommand(statement, connection);
        return await command.ExecuteScalarAsync(Cancellation);
    }

    public override async ValueTask DisposeAsync()
    {
        if (_server is { } server)
        {
            await server.DisposeAsync();
        }

        await base.DisposeAsync();
    }

    protected override (string Program, string[] Arguments, Dictionary<string, string> Environment) Command() => throw new NotSupportedException("It is started otherwise.");
}
