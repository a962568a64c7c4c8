using System.Net;
using System.Text;
using System.Text.Json;
using Dormouse.Protocol;
using Dormouse.Server.Tests.Gateway;

namespace Dormouse.Server.Tests.Queues;

/// <summary>How long queues are, and how old, as people are told. The queue's loop does not run: everything waits.</summary>
public sealed class QueueDepthTests
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Each_endpoints_queue_is_told_with_its_length_and_the_age_of_what_is_due_longest()
    {
        await using var host = await GatewayHost.StartAsync();
        host.Add("later");
        host.Add("digits");
        host.Add("idle");
        await SendAsync(host, "digits");
        host.Time.Advance(TimeSpan.FromSeconds(60));
        await SendAsync(host, "digits");
        await SendAsync(host, "later", "1h");
        host.Time.Advance(TimeSpan.FromSeconds(30));

        var all = (await GetAsync(host, "/api/v1/queue/depths")).GetProperty("endpoints").EnumerateArray().ToList();
        var one = (await GetAsync(host, "/api/v1/queue/depths?endpoint=later")).GetProperty("endpoints").EnumerateArray().ToList();
        var none = (await GetAsync(host, "/api/v1/queue/depths?endpoint=idle")).GetProperty("endpoints").EnumerateArray().ToList();
        using var unknown = await host.Client.GetAsync("/api/v1/queue/depths?endpoint=nobody", Cancellation);

        Assert.Equal(["digits", "later"], all.Select(e => e.GetProperty("endpoint").GetString()));
        var digits = all[0].GetProperty("queue");
        Assert.Equal((2, 0, 0, 90.0), (digits.GetProperty("queued").GetInt32(), digits.GetProperty("running").GetInt32(), digits.GetProperty("dead").GetInt32(), digits.GetProperty("oldest_seconds").GetDouble()));
        var later = Assert.Single(one).GetProperty("queue");
        Assert.Equal(1, later.GetProperty("queued").GetInt32());
        Assert.False(later.TryGetProperty("oldest_seconds", out _));
        Assert.Empty(none);
        Assert.Equal((HttpStatusCode.NotFound, "endpoint_not_found"), (unknown.StatusCode, await unknown.CodeAsync()));
    }

    private static async Task SendAsync(GatewayHost host, string endpoint, string? delay = null)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, $"/v2/models/{endpoint}/infer") { Content = new StringContent("{}", Encoding.UTF8, "application/json") };
        request.Headers.Add(DormouseHeaders.Mode, "async");
        if (delay is not null)
        {
            request.Headers.Add(DormouseHeaders.Delay, delay);
        }

        using var response = await host.Client.SendAsync(request, Cancellation);
        Assert.Equal(HttpStatusCode.Accepted, response.StatusCode);
    }

    private static async Task<JsonElement> GetAsync(GatewayHost host, string address)
    {
        using var response = await host.Client.GetAsync(address, Cancellation);
        return await response.JsonAsync();
    }
}
