using System.Text;
using Dormouse.Core.Queues;
using Dormouse.Protocol;
using Dormouse.Server.Tests.Gateway;

namespace Dormouse.Server.Tests.Queues;

/// <summary>Somebody waits on this server for an invocation that another server, with the same database, runs.</summary>
public sealed class SharedWaitTests
{
    private static readonly Guid Other = new("00000000-0000-7000-8000-0000000000ff");

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("?wait=60s")]
    [InlineData("/result?wait=60s")]
    public async Task Who_waits_for_what_another_server_runs_hears_of_its_end(string query)
    {
        await using var host = await GatewayHost.StartAsync();
        host.Queue.IsShared = true;
        var endpoint = host.Add("app", GatewayHost.Program()).Endpoint.Id;
        using var request = new HttpRequestMessage(HttpMethod.Post, "/invoke/app") { Content = new StringContent("x", Encoding.UTF8, "text/plain") };
        request.Headers.Add(DormouseHeaders.Mode, "async");
        using var accepted = await host.Client.SendAsync(request, Cancellation);
        var now = host.Time.GetUtcNow();
        var leased = Assert.Single((await host.Queue.LeaseAsync(Other, [new LeaseWish(endpoint, 1)], now, now.AddHours(1), Cancellation)).Items);

        var looked = host.Queue.Finds;
        var waiting = host.Client.GetAsync(accepted.Header("Location") + query, Cancellation);
        await Conditions.UntilAsync(() => host.Queue.Finds > looked, "it was looked for once and is waited for");
        await host.Queue.EndAsync(leased.Item.Lease, new QueueVerdict.Finished(QueueState.Succeeded, new StoredAnswer(200, [], "done"u8.ToArray()), null), null, now, Cancellation);
        // Less than the sixty seconds that it would wait. Each passes once the pause before the next look has begun, which on a busy machine it has not at once.
        for (var second = 0; second < 59 && !waiting.IsCompleted; second++)
        {
            var before = host.Queue.Finds;
            host.Time.Advance(TimeSpan.FromSeconds(1));
            using var brief = new CancellationTokenSource(TimeSpan.FromSeconds(1));
            using var tick = new PeriodicTimer(TimeSpan.FromMilliseconds(2));
            while (host.Queue.Finds == before && !waiting.IsCompleted && !brief.IsCancellationRequested)
            {
                await tick.WaitForNextTickAsync(Cancellation);
            }
        }

        await Conditions.UntilAsync(() => waiting.IsCompleted, "it is answered though its wait is not over");
        using var answer = await waiting;

        Assert.Contains(query[0] == '/' ? "done" : "\"succeeded\"", await answer.Content.ReadAsStringAsync(Cancellation), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Whose_wait_is_over_is_told_as_it_is()
    {
        await using var host = await GatewayHost.StartAsync();
        host.Queue.IsShared = true;
        host.Add("app", GatewayHost.Program());
        using var request = new HttpRequestMessage(HttpMethod.Post, "/invoke/app") { Content = new StringContent("x", Encoding.UTF8, "text/plain") };
        request.Headers.Add(DormouseHeaders.Mode, "async");
        using var accepted = await host.Client.SendAsync(request, Cancellation);

        var looked = host.Queue.Finds;
        var waiting = host.Client.GetAsync(accepted.Header("Location") + "?wait=3s", Cancellation);
        await Conditions.UntilAsync(() => host.Queue.Finds > looked, "it is waited for");
        await Conditions.UntilAsync(
            () =>
            {
                host.Time.Advance(TimeSpan.FromSeconds(0.5));
                return waiting.IsCompleted;
            },
            "it is answered");
        using var answer = await waiting;

        Assert.Equal("queued", (await answer.JsonAsync()).GetProperty("queue").GetProperty("state").GetString());
        // Looked at each second, not more often.
        Assert.InRange(host.Queue.Finds - looked, 2, 6);
    }
}
