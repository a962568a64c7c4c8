using System.Globalization;
using Confluent.Kafka;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Events;

namespace Dormouse.Brokers.Kafka;

/// <summary>How a Kafka cluster is reached, for those who read from it and those who write to it.</summary>
internal static class KafkaAccess
{
    public const int Port = 9092;

    public const int TlsPort = 9093;

    private const int TopicLengthMax = 249;

    public static readonly SourceKey SaslKey = new("sasl", false, "plain, scram-sha-256 or scram-sha-512: how the address's user proves who it is. Default: plain");

    public static bool IsTopic(string name) =>
        name.Length is >= 1 and <= TopicLengthMax && name is not ("." or "..") && name.All(c => char.IsAsciiLetterOrDigit(c) || c is '.' or '_' or '-');

    /// <summary>Null when the user, how it proves who it is, and its password go together.</summary>
    public static string? Fault(Uri url, IReadOnlyDictionary<string, string> source) =>
        source.TryGetValue(SaslKey.Name, out var sasl) && sasl is not ("plain" or "scram-sha-256" or "scram-sha-512") ? $"'{SaslKey.Name}' is '{ShownText.Of(sasl)}'; allowed is plain, scram-sha-256 or scram-sha-512."
        : SourceText.User(url) is null ? (source.ContainsKey(SaslKey.Name) || source.ContainsKey(SourceText.PasswordKey.Name) ? $"'{SaslKey.Name}' and '{SourceText.PasswordKey.Name}' mean nothing without a user in the address." : null)
        : source.ContainsKey(SourceText.PasswordKey.Name) ? null : $"the address has a user and '{SourceText.PasswordKey.Name}' names no password.";

    /// <param name="source">Of a trigger, or the query of an address.</param>
    public static T Reaching<T>(T config, Uri url, IReadOnlyDictionary<string, string> source)
        where T : ClientConfig
    {
        var isTls = url.Scheme == "kafkas";
        config.BootstrapServers = string.Create(CultureInfo.InvariantCulture, $"{url.Host}:{(url.Port < 0 ? isTls ? TlsPort : Port : url.Port)}");
        config.ClientId = "dormouse";
        var user = SourceText.User(url);
        config.SecurityProtocol = (isTls, user) switch
        {
            (false, null) => SecurityProtocol.Plaintext,
            (true, null) => SecurityProtocol.Ssl,
            (false, _) => SecurityProtocol.SaslPlaintext,
            (true, _) => SecurityProtocol.SaslSsl,
        };
        if (user is not null)
        {
            config.SaslMechanism = source.GetValueOrDefault(SaslKey.Name, "plain") switch
            {
                "scram-sha-256" => SaslMechanism.ScramSha256,
                "scram-sha-512" => SaslMechanism.ScramSha512,
                _ => SaslMechanism.Plain,
            };
            config.SaslUsername = user;
            config.SaslPassword = SourceText.Password(source);
        }

        return config;
    }

    /// <summary>Returns when all replicas that are in step have it.</summary>
    public static async Task SendAsync(Uri url, IReadOnlyDictionary<string, string> source, string topic, Message<byte[]?, byte[]> message, CancellationToken cancellationToken)
    {
        var config = Reaching(
            new ProducerConfig
            {
                Acks = Acks.All,
                EnableIdempotence = true,
                LingerMs = 0,
                MessageTimeoutMs = 20_000,
                // What a broker gave us it takes again; a topic may allow less.
                MessageMaxBytes = 1_000_000_000,
            },
            url, source);
        // Making and ending a client takes threads and some milliseconds.
        using var producer = await Task.Run(() => new ProducerBuilder<byte[]?, byte[]>(config).SetLogHandler((_, _) => { }).SetErrorHandler((_, _) => { }).Build(), cancellationToken);
        try
        {
            await producer.ProduceAsync(topic, message, cancellationToken);
        }
        catch (KafkaException e)
        {
            throw new IOException($"Kafka did not take it: {e.Error.Reason}", e);
        }
    }

    public static Headers Headers(IEnumerable<KeyValuePair<string, string>> headers)
    {
        var all = new Headers();
        foreach (var (name, value) in headers)
        {
            all.Add(name, System.Text.Encoding.UTF8.GetBytes(value));
        }

        return all;
    }
}
