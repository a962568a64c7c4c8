using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using Dormouse.Core.Destinations;
using Dormouse.Protocol;
using Dormouse.Server.Destinations;
using Dormouse.Server.Queues;
using Dormouse.Server.Tests.Gateway;
using Dormouse.Storage;
using Microsoft.Extensions.DependencyInjection;
using StandardWebhooks;

namespace Dormouse.Server.Tests.Destinations;

/// <summary>Outcomes of asynchronous invocations through the whole server, on the real store, to receivers on loopback.</summary>
public sealed class DestinationTests
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_success_is_posted_once_with_a_signature_that_the_library_makes_too()
    {
        await using var receiver = await Receiver.StartAsync();
        await using var host = await StartAsync();
        host.Driver.Play = run => FakeInstance.AnswerAsync(run.Context, 200, "application/json", """{"sum":7}"""u8.ToArray());
        host.Add("app", GatewayHost.Program());
        var secret = await CreateAsync(host, "orders", receiver.Url + "hook?a=b");
        await UseAsync(host, "app", "orders", null);

        var accepted = await SendAsync(host, "app");
        await DeliveredAsync(host, accepted);

        var received = Assert.Single(receiver.All);
        using var document = JsonDocument.Parse(received.Body);
        var data = document.RootElement.GetProperty("data");
        Assert.Equal("invocation.succeeded", document.RootElement.GetProperty("type").GetString());
        Assert.Equal((accepted, "app", "succeeded", 200), (data.GetProperty("invocation_id").GetString(), data.GetProperty("endpoint").GetString(), data.GetProperty("state").GetString(), data.GetProperty("status").GetInt32()));
        Assert.Equal("""{"sum":7}""", data.GetProperty("result").GetRawText());
        Assert.Equal(Signature(secret, received), received["webhook-signature"]);
        Assert.StartsWith(accepted + "-", received["webhook-id"], StringComparison.Ordinal);
        var shown = Assert.Single((await StatusAsync(host, accepted)).GetProperty("queue").GetProperty("deliveries").EnumerateArray());
        Assert.Equal(("orders", "delivered", 204, 1), (shown.GetProperty("to").GetString(), shown.GetProperty("state").GetString(), shown.GetProperty("status").GetInt32(), shown.GetProperty("attempts").GetInt32()));
    }

    [Fact]
    public async Task A_failure_goes_to_its_own_destination_and_a_caller_may_say_otherwise()
    {
        await using var receiver = await Receiver.StartAsync();
        await using var host = await StartAsync();
        host.Driver.Play = run => FakeInstance.AnswerAsync(run.Context, 422, "text/plain", "not so"u8.ToArray());
        host.Add("app", GatewayHost.Program());
        await CreateAsync(host, "failures", receiver.Url + "failures");
        await CreateAsync(host, "other", receiver.Url + "other");
        await UseAsync(host, "app", null, "failures");

        var first = await SendAsync(host, "app");
        await DeliveredAsync(host, first);
        var second = await SendAsync(host, "app", (DormouseHeaders.OnFailure, "other"));
        await DeliveredAsync(host, second);
        var third = await SendAsync(host, "app", (DormouseHeaders.OnFailure, "none"));
        await EndedAsync(host, third);
        using var unknown = await TrySendAsync(host, "app", (DormouseHeaders.OnSuccess, "nobody"));
        using var wrong = await TrySendAsync(host, "app", (DormouseHeaders.OnSuccess, "No!"));

        Assert.Equal(["/failures", "/other"], receiver.All.Select(r => r.Path));
        using var document = JsonDocument.Parse(receiver.All[0].Body);
        Assert.Equal("invocation.failed", document.RootElement.GetProperty("type").GetString());
        Assert.Equal(("not so", "the instance answered 422"), (document.RootElement.GetProperty("data").GetProperty("result").GetString(), document.RootElement.GetProperty("data").GetProperty("reason").GetString()));
        Assert.False((await StatusAsync(host, third)).GetProperty("queue").TryGetProperty("deliveries", out _));
        Assert.Equal(("destination_not_found", "request_invalid"), (await unknown.CodeAsync(), await wrong.CodeAsync()));
    }

    [Fact]
    public async Task What_is_refused_is_tried_again_with_the_same_id_not_before_retry_after_and_redirects_are_not_followed()
    {
        await using var receiver = await Receiver.StartAsync();
        await using var host = await StartAsync();
        host.Add("app", GatewayHost.Program());
        var secret = await CreateAsync(host, "orders", receiver.Url + "first");
        await UseAsync(host, "app", "orders", null);
        receiver.Answer = context =>
        {
            (context.Response.StatusCode, var header, var value) = receiver.All.Count switch
            {
                1 => (302, "Location", receiver.Url + "elsewhere"),
                2 => (503, "Retry-After", "1200"),
                _ => (200, "X-Done", "yes"),
            };
            context.Response.Headers[header] = value;
            return Task.CompletedTask;
        };

        var accepted = await SendAsync(host, "app");
        await DeliveredAsync(host, accepted);

        Assert.Equal(["/first", "/first", "/first"], receiver.All.Select(r => r.Path));
        Assert.Single(receiver.All.Select(r => r["webhook-id"]).Distinct());
        Assert.All(receiver.All, r => Assert.Equal(Signature(secret, r), r["webhook-signature"]));
        var times = receiver.All.Select(r => long.Parse(r["webhook-timestamp"], System.Globalization.CultureInfo.InvariantCulture)).ToArray();
        Assert.True(times[1] - times[0] >= 5, $"The second came after {times[1] - times[0]} s.");
        Assert.True(times[2] - times[1] >= 1200, $"The third came after {times[2] - times[1]} s.");
    }

    [Fact]
    public async Task A_410_disables_the_destination_until_it_is_enabled_and_dead_deliveries_can_be_redriven()
    {
        await using var receiver = await Receiver.StartAsync();
        await using var host = await StartAsync();
        host.Add("app", GatewayHost.Program());
        await CreateAsync(host, "orders", receiver.Url.ToString());
        await UseAsync(host, "app", "orders", null);
        receiver.Answer = context =>
        {
            context.Response.StatusCode = receiver.All.Count == 1 ? 410 : 200;
            return Task.CompletedTask;
        };

        var first = await SendAsync(host, "app");
        await DeadAsync(host, first);
        var second = await SendAsync(host, "app");
        await DeadAsync(host, second);
        var before = receiver.All.Count;
        using var enabled = await host.Client.PostAsync("/api/v1/destinations/orders/enable", null, Cancellation);
        using var redriven = await PostAsync(host, "/api/v1/deliveries/redrive", """{"to":"orders"}""");
        await DeliveredAsync(host, first);
        await DeliveredAsync(host, second);
        using var none = await PostAsync(host, "/api/v1/deliveries/redrive", """{"number":999}""");

        Assert.Equal(1, before);
        Assert.False((await enabled.JsonAsync()).TryGetProperty("disabled_reason", out _));
        Assert.Equal(2, (await redriven.JsonAsync()).GetProperty("redriven").GetInt32());
        Assert.Equal(3, receiver.All.Count);
        Assert.Equal("delivery_not_found", await none.CodeAsync());
    }

    [Fact]
    public async Task During_the_overlap_of_a_rotation_either_secret_verifies()
    {
        await using var receiver = await Receiver.StartAsync();
        await using var host = await StartAsync();
        host.Add("app", GatewayHost.Program());
        var old = await CreateAsync(host, "orders", receiver.Url.ToString());
        await UseAsync(host, "app", "orders", null);

        using var rotated = await PostAsync(host, "/api/v1/destinations/orders/rotate", """{"overlap":"1h"}""");
        var secret = (await rotated.JsonAsync()).GetProperty("secret").GetString()!;
        await DeliveredAsync(host, await SendAsync(host, "app"));
        host.Time.Advance(TimeSpan.FromHours(1));
        await DeliveredAsync(host, await SendAsync(host, "app"));
        using var shown = await host.Client.GetAsync("/api/v1/destinations/orders", Cancellation);

        Assert.Equal([Signature(secret, receiver.All[0]), Signature(old, receiver.All[0])], receiver.All[0]["webhook-signature"].Split(' '));
        Assert.Equal(Signature(secret, receiver.All[1]), receiver.All[1]["webhook-signature"]);
        Assert.False((await shown.JsonAsync()).TryGetProperty("secret", out _));
    }

    [Fact]
    public async Task A_private_address_is_refused_by_name_by_number_and_when_a_name_means_another_one_later()
    {
        await using var receiver = await Receiver.StartAsync();
        var lookups = 0;
        Task<IPAddress[]> Lookup(string host, CancellationToken cancellationToken) => Task.FromResult<IPAddress[]>(
            [host == "rebinds.example" && Interlocked.Increment(ref lookups) == 1 ? IPAddress.Loopback : IPAddress.Parse("127.0.0.2")]);
        await using var host = await StartAsync("127.0.0.1/32", services => services.AddSingleton<HostLookup>(Lookup));
        host.Add("app", GatewayHost.Program());
        await CreateAsync(host, "rebinds", $"http://rebinds.example:{receiver.Url.Port}/");
        await UseAsync(host, "app", "rebinds", null);
        // The connection is not kept, so that the name is looked up again.
        receiver.Answer = context =>
        {
            context.Response.Headers.Connection = "close";
            return Task.CompletedTask;
        };

        await DeliveredAsync(host, await SendAsync(host, "app"));
        var second = await SendAsync(host, "app");
        var dead = await DeadAsync(host, second);

        Assert.Single(receiver.All);
        Assert.Contains("has no address that may be sent to", dead.GetProperty("reason").GetString(), StringComparison.Ordinal);
        foreach (var url in (string[])
            ["http://127.0.0.2/", "http://[::1]/", "http://169.254.169.254/latest/meta-data", "http://10.0.0.7/", "http://0.0.0.0/", "http://[::ffff:10.0.0.1]/", "ftp://example.com/", "http://user@example.com/", "no"])
        {
            using var refused = await PostAsync(host, "/api/v1/destinations", JsonSerializer.Serialize(new { name = "bad", url }));
            Assert.Equal("spec_invalid", await refused.CodeAsync());
        }
    }

    [Fact]
    public async Task One_that_hangs_and_one_that_answers_garbage_are_tried_again()
    {
        await using var receiver = await Receiver.StartAsync();
        using var garbage = new TcpListener(IPAddress.Loopback, 0);
        garbage.Start();
        var answering = AnswerGarbageAsync(garbage);
        await using var host = await StartAsync();
        host.Add("app", GatewayHost.Program());
        await CreateAsync(host, "hangs", receiver.Url.ToString());
        await CreateAsync(host, "garbage", $"http://127.0.0.1:{((IPEndPoint)garbage.LocalEndpoint).Port}/");
        receiver.Answer = async context =>
        {
            if (receiver.All.Count == 1)
            {
                await Task.Delay(Timeout.Infinite, context.RequestAborted);
            }
        };

        var hanging = await SendAsync(host, "app", (DormouseHeaders.OnSuccess, "hangs"));
        await EndedAsync(host, hanging);
        await Conditions.UntilAsync(() => receiver.All.Count == 1, "it is being sent");
        host.Time.Advance(TimeSpan.FromSeconds(20));
        await Conditions.UntilAsync(() => host.Service<DeliveryLoop>().UnderWayCount == 0, "its time is over");
        var reason = (await DeliveryAsync(host, hanging)).GetProperty("reason").GetString();
        await DeliveredAsync(host, hanging);
        var other = await SendAsync(host, "app", (DormouseHeaders.OnSuccess, "garbage"));
        await UntilAsync(host, other, d => d.TryGetProperty("reason", out _));
        var garbled = await DeliveryAsync(host, other);
        garbage.Stop();
        await answering;

        Assert.Equal("the destination did not answer within 20s", reason);
        Assert.Equal(2, receiver.All.Count);
        Assert.Equal("pending", garbled.GetProperty("state").GetString());
        Assert.StartsWith("the destination could not be reached", garbled.GetProperty("reason").GetString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_store_that_is_away_costs_a_destination_no_attempt()
    {
        await using var receiver = await Receiver.StartAsync();
        AwayStore? away = null;
        await using var host = await StartAsync(destinations: store => AwayStore.Around(store, out away));
        host.Add("app", GatewayHost.Program());
        await CreateAsync(host, "orders", receiver.Url.ToString());
        await UseAsync(host, "app", "orders", null);
        away!.Times = 2;

        var accepted = await SendAsync(host, "app");
        await EndedAsync(host, accepted);
        using var tick = new PeriodicTimer(TimeSpan.FromMilliseconds(250));
        while ((await DeliveryAsync(host, accepted)).GetProperty("state").GetString() != "delivered")
        {
            // The pause until the store is asked again.
            await tick.WaitForNextTickAsync(Cancellation);
            host.Time.Advance(TimeSpan.FromSeconds(1));
        }

        Assert.Equal((0, 1), (away.Times, receiver.All.Count));
        Assert.Equal(1, (await DeliveryAsync(host, accepted)).GetProperty("attempts").GetInt32());
    }

    [Fact]
    public async Task An_outcome_may_go_on_to_another_endpoint_and_a_loop_of_them_ends()
    {
        await using var host = await StartAsync();
        var bodies = new List<string>();
        host.Driver.Play = run =>
        {
            lock (bodies)
            {
                bodies.Add(Encoding.UTF8.GetString(run.Body));
            }

            return FakeInstance.AnswerAsync(run.Context, 200, "text/plain", [.. run.Body, (byte)'+']);
        };
        host.Add("one", GatewayHost.Program());
        host.Add("two", GatewayHost.Program());
        await UseAsync(host, "one", "endpoint:two", null);
        await UseAsync(host, "two", "endpoint:one", null);

        await DeliveredAsync(host, await SendAsync(host, "one"));
        var loop = default(JsonElement);
        await AdvanceAsync(host, async () =>
        {
            using var response = await host.Client.GetAsync("/api/v1/deliveries?state=dead", Cancellation);
            loop = (await response.JsonAsync()).GetProperty("deliveries").Clone();
            return loop.GetArrayLength() > 0;
        });

        Assert.Equal(Enumerable.Range(0, 9).Select(n => "hello" + new string('+', n)), bodies);
        Assert.Contains("loop", Assert.Single(loop.EnumerateArray()).GetProperty("reason").GetString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_event_carries_the_answer_itself()
    {
        await using var receiver = await Receiver.StartAsync();
        await using var host = await StartAsync();
        host.Driver.Play = run => FakeInstance.AnswerAsync(run.Context, 200, "image/png", [1, 2, 3]);
        host.Add("app", GatewayHost.Program());
        await CreateAsync(host, "bus", receiver.Url.ToString(), "cloudevents");
        await UseAsync(host, "app", "bus", "bus");

        var accepted = await SendAsync(host, "app");
        await DeliveredAsync(host, accepted);

        var received = Assert.Single(receiver.All);
        Assert.Equal(("image/png", "\u0001\u0002\u0003"), (received["Content-Type"], received.Body));
        Assert.Equal(
            ("1.0", "dormouse.invocation.succeeded", "/t/default/endpoints/app", accepted, received["webhook-id"]),
            (received["ce-specversion"], received["ce-type"], received["ce-source"], received["ce-subject"], received["ce-id"]));
    }

    [Theory]
    [InlineData("cloudevents-structured", "application/cloudevents+json", "application/json", """{"sum":7}""", "data", """{"sum":7}""")]
    [InlineData("cloudevents-structured", "application/cloudevents+json", "text/plain", "so \"it\" is", "data", "\"so \\\"it\\\" is\"")]
    [InlineData("cloudevents-structured", "application/cloudevents+json", "image/png", "\u00ff\u0001", "data_base64", "\"/wE=\"")]
    [InlineData("cloudevents-structured", "application/cloudevents+json", "text/plain", "", null, "")]
    [InlineData("cloudevents-batch", "application/cloudevents-batch+json", "application/json", "[1]", "data", "[1]")]
    public async Task An_event_may_be_one_document_or_a_batch(string form, string type, string answerType, string answer, string? member, string expected)
    {
        await using var receiver = await Receiver.StartAsync();
        await using var host = await StartAsync();
        host.Driver.Play = run => FakeInstance.AnswerAsync(run.Context, 200, answerType, Encoding.Latin1.GetBytes(answer));
        host.Add("app", GatewayHost.Program());
        var secret = await CreateAsync(host, "bus", receiver.Url.ToString(), form);
        await UseAsync(host, "app", "bus", null);

        var accepted = await SendAsync(host, "app");
        await DeliveredAsync(host, accepted);

        var received = Assert.Single(receiver.All);
        Assert.Equal((type, Signature(secret, received)), (received["Content-Type"], received["webhook-signature"]));
        using var document = JsonDocument.Parse(received.Body);
        var one = form == "cloudevents-batch" ? Assert.Single(document.RootElement.EnumerateArray()) : document.RootElement;
        Assert.Equal(
            ("1.0", received["webhook-id"], "/t/default/endpoints/app", "dormouse.invocation.succeeded", accepted),
            (one.GetProperty("specversion").GetString(), one.GetProperty("id").GetString(), one.GetProperty("source").GetString(), one.GetProperty("type").GetString(), one.GetProperty("subject").GetString()));
        Assert.Equal(member is null ? null : answerType, one.TryGetProperty("datacontenttype", out var media) ? media.GetString() : null);
        Assert.Equal(member is null ? [] : [member], one.EnumerateObject().Select(m => m.Name).Where(n => n.StartsWith("data", StringComparison.Ordinal) && n != "datacontenttype"));
        Assert.Equal(expected, member is null ? "" : one.GetProperty(member).GetRawText());
    }

    private static async Task<GatewayHost> StartAsync(string networks = "127.0.0.0/8", Action<IServiceCollection>? services = null, Func<IDestinationStore, IDestinationStore>? destinations = null)
    {
        var host = await GatewayHost.StartAsync(new() { ["DORMOUSE_DESTINATIONS__ALLOW_NETWORKS"] = networks }, storesQueue: true, services: services, destinations: destinations);
        host.Service<QueueLoop>().Start();
        host.Service<DeliveryLoop>().Start();
        return host;
    }

    private static async Task<string> CreateAsync(GatewayHost host, string name, string url, string form = "webhook")
    {
        using var response = await PostAsync(host, "/api/v1/destinations", JsonSerializer.Serialize(new { name, url, form }));
        Assert.Equal(HttpStatusCode.Created, response.StatusCode);
        return (await response.JsonAsync()).GetProperty("secret").GetString()!;
    }

    private static async Task UseAsync(GatewayHost host, string endpoint, string? success, string? failure)
    {
        using var content = new StringContent(JsonSerializer.Serialize(new { on_success = success, on_failure = failure }));
        using var response = await host.Client.PutAsync($"/api/v1/endpoints/{endpoint}/destinations", content, Cancellation);
        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        Assert.Equal(success, (await response.JsonAsync()).TryGetProperty("on_success", out var shown) ? shown.GetString() : null);
    }

    private static async Task<HttpResponseMessage> PostAsync(GatewayHost host, string address, string json)
    {
        using var content = new StringContent(json);
        return await host.Client.PostAsync(address, content, Cancellation);
    }

    private static async Task<HttpResponseMessage> TrySendAsync(GatewayHost host, string endpoint, params (string Name, string Value)[] headers)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, "/invoke/" + endpoint) { Content = new StringContent("hello", Encoding.UTF8, "text/plain") };
        request.Headers.Add(DormouseHeaders.Mode, "async");
        foreach (var (name, value) in headers)
        {
            request.Headers.Add(name, value);
        }

        return await host.Client.SendAsync(request, Cancellation);
    }

    /// <returns>The invocation's id.</returns>
    private static async Task<string> SendAsync(GatewayHost host, string endpoint, params (string Name, string Value)[] headers)
    {
        using var accepted = await TrySendAsync(host, endpoint, headers);
        Assert.Equal(HttpStatusCode.Accepted, accepted.StatusCode);
        return accepted.Header(DormouseHeaders.InvocationId)!;
    }

    private static async Task<JsonElement> StatusAsync(GatewayHost host, string id)
    {
        using var response = await host.Client.GetAsync("/api/v1/invocations/" + id, Cancellation);
        return await response.JsonAsync();
    }

    private static async Task<JsonElement> DeliveryAsync(GatewayHost host, string id) =>
        (await StatusAsync(host, id)).GetProperty("queue").TryGetProperty("deliveries", out var deliveries) ? deliveries[0] : default;

    private static Task DeliveredAsync(GatewayHost host, string id) => UntilAsync(host, id, d => d.GetProperty("state").GetString() == "delivered");

    private static async Task<JsonElement> DeadAsync(GatewayHost host, string id)
    {
        await UntilAsync(host, id, d => d.GetProperty("state").GetString() == "dead");
        return await DeliveryAsync(host, id);
    }

    private static Task EndedAsync(GatewayHost host, string id) =>
        AdvanceAsync(host, async () => (await StatusAsync(host, id)).GetProperty("queue").GetProperty("state").GetString() is not ("queued" or "running"));

    private static Task UntilAsync(GatewayHost host, string id, Func<JsonElement, bool> isSo) =>
        AdvanceAsync(host, async () => await DeliveryAsync(host, id) is { ValueKind: JsonValueKind.Object } delivery && isSo(delivery));

    /// <summary>Lets time go on, while nothing runs and nothing is being sent, until it is so.</summary>
    private static async Task AdvanceAsync(GatewayHost host, Func<Task<bool>> isSo)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(Cancellation);
        limit.CancelAfter(Conditions.Patience);
        using var tick = new PeriodicTimer(TimeSpan.FromMilliseconds(2));
        while (!await isSo())
        {
            Assert.False(limit.IsCancellationRequested, $"It did not come about within {Conditions.Patience.TotalSeconds} s.");
            if (host.Journal.OpenCount == 0 && host.Service<DeliveryLoop>().UnderWayCount == 0 && host.Routes.Endpoints().All(e => host.Dispatch.Samples(e.Id).All(s => s.Sample is { Queued: 0, Running: 0 })))
            {
                host.Time.Advance(TimeSpan.FromSeconds(10));
            }

            await tick.WaitForNextTickAsync(Cancellation);
        }
    }

    private static string Signature(string secret, Received received) => new StandardWebhook(secret).Sign(
        received["webhook-id"], DateTimeOffset.FromUnixTimeSeconds(long.Parse(received["webhook-timestamp"], System.Globalization.CultureInfo.InvariantCulture)), received.Body);

    private static async Task AnswerGarbageAsync(TcpListener listener)
    {
        try
        {
            while (true)
            {
                using var caller = await listener.AcceptTcpClientAsync(Cancellation);
                await caller.GetStream().ReadExactlyAsync(new byte[16], Cancellation);
                await caller.GetStream().WriteAsync("\0\u0001 no HTTP at all\r\n\r\n"u8.ToArray(), Cancellation);
            }
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // The test has seen enough.
        }
    }

    /// <summary>A store that does not answer the next times that it is asked for a destination.</summary>
    public class AwayStore : System.Reflection.DispatchProxy
    {
        private IDestinationStore? _store;

        public int Times { get; set; }

        public static IDestinationStore Around(IDestinationStore store, out AwayStore away)
        {
            var proxy = Create<IDestinationStore, AwayStore>();
            away = (AwayStore)(object)proxy;
            away._store = store;
            return proxy;
        }

        protected override object? Invoke(System.Reflection.MethodInfo? targetMethod, object?[]? args)
        {
            if (Times > 0 && targetMethod!.Name == nameof(IDestinationStore.FindAsync))
            {
                Times--;
                throw new StoreUnavailableException();
            }

            return targetMethod!.Invoke(_store, args);
        }
    }
}
