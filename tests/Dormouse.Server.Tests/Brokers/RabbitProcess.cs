using System.Diagnostics;
using System.Text;
using RabbitMQ.Client;
using RabbitMQ.Client.Exceptions;

namespace Dormouse.Server.Tests.Brokers;

/// <param name="hasDeadLetters">What is rejected goes to another queue.</param>
internal sealed class RabbitProcess(bool hasDeadLetters = false) : BrokerProcess
{
    private const string DeadLetters = "dead";

    public override Dictionary<string, string> Source => new() { ["url"] = $"amqp://127.0.0.1:{Port}", ["queue"] = "orders" };

    /// <summary>The queue is declared at every start: of what was declared in the last seconds before a SIGKILL, RabbitMQ forgets some (its log of definitions is written late), and the queue of that name must then be there anew.</summary>
    public override async Task StartAsync()
    {
        await base.StartAsync();
        await PrepareAsync();
    }

    public override async Task PrepareAsync()
    {
        await using var connection = await ConnectAsync();
        await using var channel = await connection.CreateChannelAsync(cancellationToken: Cancellation);
        var arguments = hasDeadLetters ? new Dictionary<string, object?> { ["x-dead-letter-exchange"] = "", ["x-dead-letter-routing-key"] = DeadLetters } : null;
        await channel.QueueDeclareAsync("orders", durable: true, exclusive: false, autoDelete: false, arguments, cancellationToken: Cancellation);
        await channel.QueueDeclareAsync(DeadLetters, durable: true, exclusive: false, autoDelete: false, cancellationToken: Cancellation);
    }

    /// <summary>Messages in the other queue.</summary>
    public async Task<uint> DeadAsync()
    {
        await using var connection = await ConnectAsync();
        await using var channel = await connection.CreateChannelAsync(cancellationToken: Cancellation);
        return await channel.MessageCountAsync(DeadLetters, Cancellation);
    }

    public override async Task SendAsync(params string[] bodies)
    {
        await using var connection = await ConnectAsync();
        await using var channel = await connection.CreateChannelAsync(new CreateChannelOptions(true, true), Cancellation);
        foreach (var body in bodies)
        {
            var properties = new BasicProperties { MessageId = "message-" + (body.Length > 100 ? "long" : body), Persistent = true, ContentType = "application/json" };
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

    public override async Task<(string Id, string Body, string Type)[]> TakeAsync()
    {
        await using var connection = await ConnectAsync();
        await using var channel = await connection.CreateChannelAsync(cancellationToken: Cancellation);
        var taken = new List<(string Id, string Body, string Type)>();
        while (await channel.BasicGetAsync("orders", autoAck: true, Cancellation) is { } message)
        {
            var properties = message.BasicProperties;
            taken.Add((properties.MessageId!, Encoding.UTF8.GetString(message.Body.Span), Encoding.UTF8.GetString((byte[])properties.Headers!["cloudEvents_type"]!))); // An outcome has all of them.
        }

        return [.. taken];
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
                if (EnvironmentOf(mapper.Id).Contains($"ERL_EPMD_PORT={Port + 2}\0", StringComparison.Ordinal))
                {
                    mapper.Kill();
                }
            }
        }
    }

    /// <summary>Empty when the process is gone.</summary>
    private static string EnvironmentOf(int process)
    {
        try
        {
            return File.ReadAllText($"/proc/{process}/environ");
        }
        catch (IOException)
        {
            return "";
        }
    }

    protected override async Task<bool> AnswersAsync()
    {
        try
        {
            await using var connection = await ConnectAsync(TimeSpan.FromSeconds(3));
            return true;
        }
        catch (BrokerUnreachableException)
        {
            return false;
        }
    }

    /// <param name="limit">Null = as long as a busy machine may take.</param>
    private async Task<IConnection> ConnectAsync(TimeSpan? limit = null) =>
        await new ConnectionFactory { HostName = "127.0.0.1", Port = Port, RequestedConnectionTimeout = limit ?? TimeSpan.FromMinutes(1), ContinuationTimeout = TimeSpan.FromMinutes(1), HandshakeContinuationTimeout = TimeSpan.FromMinutes(1) }
            .CreateConnectionAsync(Cancellation);
}
