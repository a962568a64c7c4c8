using System.Net;
using System.Net.Sockets;
using System.Text.Json;
using Dormouse.Server.Tests.Gateway;

namespace Dormouse.Server.Tests.Brokers;

/// <summary>Something that answers at a broker's address and is none: the trigger says so and tries again, and others go on.</summary>
public sealed class GarbageTests
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public static TheoryData<string, string> Sources => new()
    {
        { "redis", """{"url":"redis://HOST","stream":"s"}""" },
        { "nats", """{"url":"nats://HOST","stream":"s"}""" },
        { "rabbitmq", """{"url":"amqp://HOST","queue":"q"}""" },
        { "sqs", """{"queue":"http://HOST/0/q","access_key":"k","password_env":"DORMOUSE_SECRET_TEST_AWS"}""" },
        { "s3", """{"url":"http://HOST","bucket":"b","access_key":"k","password_env":"DORMOUSE_SECRET_TEST_AWS"}""" },
        { "kafka", """{"url":"kafka://HOST","topic":"t"}""" },
        { "postgres", """{"url":"postgres://me@HOST/d","table":"t"}""" },
    };

    [Theory]
    [MemberData(nameof(Sources))]
    public async Task A_trigger_whose_broker_answers_garbage_says_so_and_another_one_goes_on(string kind, string source)
    {
        Environment.SetEnvironmentVariable(SqsProcess.SecretVariable, "test");
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        var calls = new StrongCount();
        var answering = AnswerAsync(listener, calls);
        await using (var host = await BrokerTests.StartAsync())
        {
            var seen = BrokerTests.Record(host);
            host.Add("orders", GatewayHost.Program());
            using (var other = new StringContent("""{"kind":"cron","endpoint":"orders","source":{"schedule":"* * * * *"}}"""))
            {
                using var made = await host.Client.PutAsync("/api/v1/triggers/minutely", other, Cancellation);
                Assert.Equal(HttpStatusCode.Created, made.StatusCode);
            }

            await BrokerTests.PutAsync(host, kind, JsonSerializer.Deserialize<Dictionary<string, string>>(source.Replace("HOST", listener.LocalEndpoint.ToString(), StringComparison.Ordinal))!); // The text is an object.
            await BrokerTests.AdvanceAsync(host, async () => await BrokerTests.StateAsync(host) == "failing");
            // It tries again, and the schedule of the other one is kept.
            var before = calls.Value;
            await BrokerTests.AdvanceAsync(host, () => calls.Value > before && seen.Count > 0);

            using var shown = await host.Client.GetAsync("/api/v1/triggers/t", Cancellation);
            Assert.NotEmpty((await shown.JsonAsync()).GetProperty("last_error").GetString()!); // It is failing.
        }

        listener.Stop();
        await answering;
    }

    private static async Task AnswerAsync(TcpListener listener, StrongCount calls)
    {
        var random = new Random(7);
        var bytes = new byte[512];
        try
        {
            while (true)
            {
                using var caller = await listener.AcceptTcpClientAsync(CancellationToken.None);
                calls.Add();
                random.NextBytes(bytes);
                try
                {
                    await caller.GetStream().WriteAsync(bytes, CancellationToken.None);
                    // Until the caller has seen enough.
                    using var enough = new CancellationTokenSource(TimeSpan.FromSeconds(1));
                    while (await caller.GetStream().ReadAsync(bytes, enough.Token) > 0)
                    {
                    }
                }
                catch (Exception e) when (e is IOException or OperationCanceledException)
                {
                    // It hung up.
                }
            }
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // The test has seen enough.
        }
    }

    private sealed class StrongCount
    {
        private int _value;

        public int Value => Volatile.Read(ref _value);

        public void Add() => Interlocked.Increment(ref _value);
    }
}
