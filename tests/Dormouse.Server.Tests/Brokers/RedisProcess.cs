using StackExchange.Redis;

namespace Dormouse.Server.Tests.Brokers;

internal sealed class RedisProcess : BrokerProcess
{
    public override Dictionary<string, string> Source => new() { ["url"] = $"redis://127.0.0.1:{Port}", ["stream"] = "orders" };

    public override Task PrepareAsync() => Task.CompletedTask;

    public override async Task SendAsync(params string[] bodies)
    {
        await using var connection = await ConnectAsync();
        foreach (var body in bodies)
        {
            await connection.GetDatabase().StreamAddAsync("orders", "data", body);
        }
    }

    public override async Task<long> LeftAsync()
    {
        await using var connection = await ConnectAsync();
        var group = (await connection.GetDatabase().StreamGroupInfoAsync("orders"))[0];
        return group.PendingMessageCount + (group.Lag ?? 0);
    }

    public override async Task<(string Id, string Body, string Type)[]> TakeAsync()
    {
        await using var connection = await ConnectAsync();
        return [.. (await connection.GetDatabase().StreamRangeAsync("orders")).Select(e => (e["id"].ToString(), e["data"].ToString(), e["ce-type"].ToString()))];
    }

    protected override (string Program, string[] Arguments, Dictionary<string, string> Environment) Command() =>
        ("/usr/bin/redis-server", ["--port", $"{Port}", "--bind", "127.0.0.1", "--save", "", "--appendonly", "yes", "--appendfsync", "always", "--dir", Folder], []);

    /// <summary>It listens before it has read what it wrote.</summary>
    protected override async Task<bool> AnswersAsync()
    {
        if (!await base.AnswersAsync())
        {
            return false;
        }

        try
        {
            await using var connection = await ConnectAsync();
            await connection.GetDatabase().PingAsync();
            return true;
        }
        catch (RedisException)
        {
            return false;
        }
    }

    private async Task<ConnectionMultiplexer> ConnectAsync() => await ConnectionMultiplexer.ConnectAsync($"127.0.0.1:{Port},connectTimeout=60000,syncTimeout=60000,asyncTimeout=60000");
}
