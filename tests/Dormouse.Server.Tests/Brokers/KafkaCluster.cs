using System.Globalization;
using System.Text;
using Confluent.Kafka;

namespace Dormouse.Server.Tests.Brokers;

/// <summary>
/// The cluster that librdkafka brings for tests: it speaks Kafka's protocol on a port of loopback, makes topics of four partitions when they are asked for, and keeps everything in memory.
/// It cannot be started again, and a second member of a group waits long.
/// </summary>
internal sealed class KafkaCluster : IDisposable
{
    private static readonly TimeSpan AnswerTime = TimeSpan.FromMinutes(2);

    private readonly IProducer<byte[]?, byte[]> _producer;

    public KafkaCluster()
    {
        var config = new ProducerConfig { LingerMs = 0 };
        config.Set("test.mock.num.brokers", "1");
        _producer = new ProducerBuilder<byte[]?, byte[]>(config).SetLogHandler((_, _) => { }).SetErrorHandler((_, _) => { }).Build();
        using var admin = new DependentAdminClientBuilder(_producer.Handle).Build();
        var broker = admin.GetMetadata(AnswerTime).Brokers[0];
        Address = string.Create(CultureInfo.InvariantCulture, $"{broker.Host}:{broker.Port}");
    }

    /// <summary>Host and port.</summary>
    public string Address { get; }

    public Dictionary<string, string> Source => new() { ["url"] = "kafka://" + Address, ["topic"] = "orders", ["group"] = "dormouse" };

    public Task SendAsync(string topic, int partition, params string[] bodies) => Task.WhenAll(bodies.Select(b =>
        _producer.ProduceAsync(new TopicPartition(topic, partition), new Message<byte[]?, byte[]> { Key = Encoding.UTF8.GetBytes("k" + partition), Value = Encoding.UTF8.GetBytes(b) })));

    /// <summary>What the group has committed of a partition; -1 = nothing.</summary>
    public Task<long> CommittedAsync(string topic, int partition) => Task.Run(() =>
    {
        using var consumer = Consumer("dormouse");
        return Math.Max(-1, consumer.Committed([new TopicPartition(topic, partition)], AnswerTime)[0].Offset.Value);
    });

    /// <summary>The records of a topic, once it has so many.</summary>
    public Task<List<Message<byte[]?, byte[]>>> ReadAsync(string topic, int count) => Task.Run(() =>
    {
        using var consumer = Consumer("reader");
        consumer.Assign(Enumerable.Range(0, 4).Select(p => new TopicPartitionOffset(topic, p, Offset.Beginning)));
        var records = new List<Message<byte[]?, byte[]>>();
        while (records.Count < count && consumer.Consume(AnswerTime) is { } record)
        {
            records.Add(record.Message);
        }

        return records;
    });

    public void Dispose() => _producer.Dispose();

    private IConsumer<byte[]?, byte[]> Consumer(string group) =>
        new ConsumerBuilder<byte[]?, byte[]>(new ConsumerConfig { BootstrapServers = Address, GroupId = group, EnableAutoCommit = false }).SetLogHandler((_, _) => { }).SetErrorHandler((_, _) => { }).Build();
}
