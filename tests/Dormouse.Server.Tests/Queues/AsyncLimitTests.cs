using System.Net;
using System.Text;
using System.Text.Json;
using Dormouse.Protocol;
using Dormouse.Server.Queues;
using Dormouse.Server.Tests.Gateway;

namespace Dormouse.Server.Tests.Queues;

/// <summary>How many asynchronous invocations are taken, and how their progress is told.</summary>
public sealed class AsyncLimitTests
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task No_more_than_the_endpoint_allows_are_taken_at_once()
    {
        await using var host = await StartAsync();
        host.Driver.HoldRuns();
        host.Add("app", GatewayHost.Program() with { Concurrency = 4, AsyncConcurrency = 2 });
        for (var i = 0; i < 5; i++)
        {
            await SendAsync(host);
        }

        var (first, second) = (await host.Driver.NextRunAsync(Cancellation), await host.Driver.NextRunAsync(Cancellation));
        var id = host.Routes.Endpoints().Single().Id;
        await Conditions.UntilAsync(() => host.Service<QueueLoop>().Running(id) == 2, "two are taken");
        var third = host.Driver.NextRunAsync(Cancellation).AsTask();
        Assert.False(third.IsCompleted);
        first.Release();
        (await third).Release();
        second.Release();
        (await host.Driver.NextRunAsync(Cancellation)).Release();
        (await host.Driver.NextRunAsync(Cancellation)).Release();
        await Conditions.UntilAsync(() => host.Journal.Receipts.Count() == 5, "all have run");
    }

    [Fact]
    public async Task No_more_than_the_rate_are_taken_while_time_goes_on()
    {
        await using var host = await StartAsync();
        host.Add("app", GatewayHost.Program() with { Concurrency = 4, AsyncRate = 0.1 });
        for (var i = 0; i < 3; i++)
        {
            await SendAsync(host);
        }

        await Conditions.UntilAsync(() => host.Journal.Receipts.Count() == 1, "the first has run");
        var before = host.Time.GetUtcNow();
        for (var runs = 2; runs <= 3; runs++)
        {
            while (host.Journal.Receipts.Count() < runs)
            {
                host.Time.Advance(TimeSpan.FromMilliseconds(500));
                using var tick = new PeriodicTimer(TimeSpan.FromMilliseconds(5));
                await tick.WaitForNextTickAsync(Cancellation);
            }

            Assert.True(host.Time.GetUtcNow() - before >= TimeSpan.FromSeconds(10 * (runs - 1)), $"Run {runs} came after {host.Time.GetUtcNow() - before}.");
        }
    }

    [Fact]
    public async Task Progress_is_told_as_it_happens_and_ends_with_the_invocation()
    {
        await using var host = await StartAsync();
        host.Driver.HoldRuns();
        host.Add("app", GatewayHost.Program());
        var id = await SendAsync(host);
        var run = await host.Driver.NextRunAsync(Cancellation);
        using var request = new HttpRequestMessage(HttpMethod.Get, "/api/v1/invocations/" + id);
        request.Headers.Add("Accept", "text/event-stream");

        using var response = await host.Client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, Cancellation);
        using var reader = new StreamReader(await response.Content.ReadAsStreamAsync(Cancellation));
        var states = new List<string?> { await StateAsync(reader) };
        run.Release();
        while (await StateAsync(reader) is { } state)
        {
            states.Add(state);
        }

        Assert.Equal("text/event-stream", response.Content.Headers.ContentType?.MediaType);
        Assert.Equal(["running", "succeeded"], states);
    }

    private static async Task<GatewayHost> StartAsync()
    {
        var host = await GatewayHost.StartAsync();
        host.Service<QueueLoop>().Start();
        return host;
    }

    /// <summary>The state that the next event tells; null at the end.</summary>
    private static async Task<string?> StateAsync(StreamReader reader)
    {
        while (await reader.ReadLineAsync(Cancellation) is { } line)
        {
            if (line.StartsWith("data: ", StringComparison.Ordinal))
            {
                using var json = JsonDocument.Parse(line["data: ".Length..]);
                return json.RootElement.GetProperty("queue").GetProperty("state").GetString();
            }
        }

        return null;
    }

    private static async Task<string> SendAsync(GatewayHost host)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, "/invoke/app") { Content = new StringContent("x", Encoding.UTF8, "text/plain") };
        request.Headers.Add(DormouseHeaders.Mode, "async");
        using var accepted = await host.Client.SendAsync(request, Cancellation);
        Assert.Equal(HttpStatusCode.Accepted, accepted.StatusCode);
        return accepted.Header(DormouseHeaders.InvocationId)!;
    }
}
