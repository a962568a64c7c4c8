using System.Diagnostics;
using System.Text;
using RabbitMQ.Client;
using RabbitMQ.Client.Exceptions;

namespace Dormouse.Server.Tests.Brokers;

internal sealed class RabbitProcess : BrokerProcess
{
    public override Dictionary<string, string> Source => new() { ["url"] = $"amqp://127.0.0.1:{Port}", ["queue"] = "orders" };

    public override async Task PrepareAsync()
    {
        await using var connection = await ConnectAsync();
        await using var channel = await connection.CreateChannelAsync(cancellationToken: Cancellation);
        await channel.QueueDeclareAsync("orders", durable: true, exclusive: false, autoDelete: false, cancellationToken: Cancellation);
    }

    public override async Task SendAsync(params string[] bodies)
    {
        await using var connection = await ConnectAsync();
        await using var channel = await connection.CreateChannelAsync(new CreateChannelOptions(true, true), Cancellation);
        foreach (var body in bodies)
        {
            var properties = new BasicProperties { MessageId = "message-" + body, Persistent = true, ContentType = "application/json" };
            await channel.BasicPublishAsync("", "orders", mandatory: true, properties, Encoding.UTF8.GetBytes(body), Cancellation);
        }
    }

    /// <summary>Those that were sent to the consumer and not acknowledged are not among them.</summary>
    public override async Task<long> LeftAsync()
    {
        await using var connection = await ConnectAsync();
        await using var channel = await connection.CreateChannelAsync(cancellationToken: Cancellation);
        return await channel.MessageCountAsync("orders", Cancellation);
    }

    protected override (string Program, string[] Arguments, Dictionary<string, string> Environment) Command()
    {
        File.WriteAllText(Path.Combine(Folder, "rabbitmq.conf"), $"listeners.tcp.1 = 127.0.0.1:{Port}\nloopback_users.guest = true\n");
        File.WriteAllText(Path.Combine(Folder, "enabled_plugins"), "[].");
        var script = Directory.Exists("/usr/lib/rabbitmq") ? Directory.GetFiles("/usr/lib/rabbitmq", "rabbitmq-server", SearchOption.AllDirectories).Order(StringComparer.Ordinal).FirstOrDefault() : null;
        return (script ?? "/usr/lib/rabbitmq/bin/rabbitmq-server", [], new()
        {
            ["RABBITMQ_NODENAME"] = $"t{Port}@localhost",
            ["RABBITMQ_MNESIA_BASE"] = Path.Combine(Folder, "mnesia"),
            ["RABBITMQ_LOG_BASE"] = Path.Combine(Folder, "log"),
            ["RABBITMQ_CONFIG_FILE"] = Path.Combine(Folder, "rabbitmq"),
            ["RABBITMQ_ENABLED_PLUGINS_FILE"] = Path.Combine(Folder, "enabled_plugins"),
            ["RABBITMQ_DIST_PORT"] = $"{Port + 1}",
            ["ERL_EPMD_ADDRESS"] = "127.0.0.1",
            ["ERL_EPMD_PORT"] = $"{Port + 2}",
            ["HOME"] = Folder,
        });
    }

    /// <summary>Erlang leaves its port mapper behind.</summary>
    public override async ValueTask DisposeAsync()
    {
        await base.DisposeAsync();
        foreach (var mapper in Process.GetProcessesByName("epmd"))
        {
            using (mapper)
            {
                if (File.ReadAllText($"/proc/{mapper.Id}/environ").Contains($"ERL_EPMD_PORT={Port + 2}\0", StringComparison.Ordinal))
                {
                    mapper.Kill();
                }
            }
        }
    }

    protected override async Task<bool> AnswersAsync()
    {
        try
        {
            await using var connection = await ConnectAsync();
            return true;
        }
        catch (BrokerUnreachableException)
        {
            return false;
        }
    }

    private async Task<IConnection> ConnectAsync() => await new ConnectionFactory { HostName = "127.0.0.1", Port = Port, RequestedConnectionTimeout = TimeSpan.FromSeconds(3) }.CreateConnectionAsync(Cancellation);
}
