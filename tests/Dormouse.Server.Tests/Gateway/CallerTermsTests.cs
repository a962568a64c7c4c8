using System.Net;
using Dormouse.Core.Dispatch;
using Dormouse.Core.Endpoints;
using Dormouse.Protocol.Problems;
using Dormouse.Server.Gateway;
using Microsoft.AspNetCore.Http;

namespace Dormouse.Server.Tests.Gateway;

/// <summary>Deadlines and priorities that callers give.</summary>
public sealed class CallerTermsTests
{
    private static readonly DateTimeOffset Now = new(2027, 1, 31, 9, 30, 0, TimeSpan.Zero);

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("Dormouse-Deadline", "500ms", 500)]
    [InlineData("Dormouse-Deadline", "0", 0)]
    [InlineData("Dormouse-Deadline", "2027-01-31T09:30:02Z", 2_000)]
    [InlineData("Dormouse-Deadline", "2027-01-31T10:30:02.5+01:00", 2_500)]
    [InlineData("Dormouse-Deadline", "2027-01-31T09:29:59Z", -1_000)]
    [InlineData("Dormouse-Deadline", "3000d", 172_800_000)]
    [InlineData("X-Request-Timeout", "2", 2_000)]
    [InlineData("x-request-timeout", "0.25", 250)]
    [InlineData("X-Request-Timeout", "79228162514264337593543950335", 172_800_000)]
    [InlineData("grpc-timeout", "500m", 500)]
    [InlineData("grpc-timeout", "3S", 3_000)]
    [InlineData("grpc-timeout", "2000u", 2)]
    [InlineData("grpc-timeout", "99999999H", 172_800_000)]
    public void A_deadline_is_read(string header, string value, double milliseconds)
    {
        Assert.True(CallerTerms.TryRead(new HeaderDictionary { [header] = value }, Now, out var terms, out _));

        Assert.Equal(new CallerTerms(TimeSpan.FromMilliseconds(milliseconds), QueuePriority.Normal), terms);
    }

    [Theory]
    [InlineData("Dormouse-Deadline", "soon", "a duration from now such as 500ms or 2s, or a time such as 2027-01-31T09:30:00Z")]
    [InlineData("Dormouse-Deadline", "", "a duration from now such as 500ms or 2s, or a time such as 2027-01-31T09:30:00Z")]
    [InlineData("Dormouse-Deadline", "2027-01-31T09:30:02", "a duration from now such as 500ms or 2s, or a time such as 2027-01-31T09:30:00Z")]
    [InlineData("Dormouse-Deadline", "-5s", "a duration from now such as 500ms or 2s, or a time such as 2027-01-31T09:30:00Z")]
    [InlineData("X-Request-Timeout", "2s", "a number of seconds such as 2 or 0.5")]
    [InlineData("X-Request-Timeout", "-1", "a number of seconds such as 2 or 0.5")]
    [InlineData("grpc-timeout", "123456789S", "up to eight digits and one of H, M, S, m, u, n, such as 500m")]
    [InlineData("grpc-timeout", "S", "up to eight digits and one of H, M, S, m, u, n, such as 500m")]
    [InlineData("Dormouse-Priority", "urgent", "high, normal or low")]
    public void What_is_wrong_is_named_with_what_is_allowed(string header, string value, string allowed)
    {
        Assert.False(CallerTerms.TryRead(new HeaderDictionary { [header] = value }, Now, out _, out var problem));

        Assert.Equal($"Header {header} is '{value}'; allowed is {allowed}.", problem.Detail);
    }

    [Fact]
    public void The_earliest_deadline_counts_and_the_priority_is_read()
    {
        var headers = new HeaderDictionary { ["Dormouse-Deadline"] = "3s", ["X-Request-Timeout"] = "2", ["grpc-timeout"] = "4S", ["Dormouse-Priority"] = "High" };

        Assert.True(CallerTerms.TryRead(headers, Now, out var terms, out _));

        Assert.Equal(new CallerTerms(TimeSpan.FromSeconds(2), QueuePriority.High), terms);
    }

    [Fact]
    public async Task Who_waits_until_the_own_deadline_is_refused_and_has_not_run()
    {
        await using var host = await GatewayHost.StartAsync();
        host.Driver.HoldRuns();
        host.Add("digits");
        var first = host.InferAsync("digits");
        var running = await host.Driver.NextRunAsync(Cancellation);
        var second = InferAsync(host, ("Dormouse-Deadline", "2s"));
        await Conditions.UntilAsync(() => host.Dispatch.Samples(host.Routes.Find(TenantId.Default, "digits")!.Endpoint.Id) is [{ Sample.Queued: 1 }], "one waits");

        host.Time.Advance(TimeSpan.FromSeconds(2));
        using var refused = await second;
        running.Release();
        using var answered = await first;

        Assert.Equal(HttpStatusCode.GatewayTimeout, refused.StatusCode);
        Assert.Equal("deadline_unreachable", await refused.CodeAsync());
        Assert.Single(host.Journal.Receipts);
    }

    [Fact]
    public async Task The_time_that_the_body_took_counts()
    {
        await using var host = await GatewayHost.StartAsync();
        host.Add("digits");
        var route = host.Routes.Find(TenantId.Default, "digits")!;
        var terms = new CallerTerms(TimeSpan.FromSeconds(2), QueuePriority.Normal);
        var invocation = new Invocation(new InvocationId(Guid.CreateVersion7()), route.Endpoint, route.Revisions[0], host.Time.GetTimestamp()) { Terms = terms };
        host.Time.Advance(TimeSpan.FromSeconds(2));

        var end = await host.Service<InvocationRunner>().RunAsync(invocation, new UnsentExchange(), Cancellation);

        Assert.Equal(ProblemCode.DeadlineUnreachable, Assert.IsType<RunEnd.Failed>(end).Problem.Code);
        Assert.Empty(host.Journal.Receipts);
        Assert.Equal(0, host.Driver.Started);
    }

    [Fact]
    public async Task The_urgent_one_of_two_that_wait_is_served_first()
    {
        await using var host = await GatewayHost.StartAsync();
        host.Driver.HoldRuns();
        var route = host.Add("digits");
        var first = host.InferAsync("digits");
        var running = await host.Driver.NextRunAsync(Cancellation);
        var second = InferAsync(host, ("Dormouse-Priority", "low"));
        await Conditions.UntilAsync(() => host.Dispatch.Samples(route.Endpoint.Id) is [{ Sample.Queued: 1 }], "one waits");
        var third = InferAsync(host, ("Dormouse-Priority", "high"));
        await Conditions.UntilAsync(() => host.Dispatch.Samples(route.Endpoint.Id) is [{ Sample.Queued: 2 }], "two wait");

        running.Release();
        (await host.Driver.NextRunAsync(Cancellation)).Release();
        using var urgent = await third;
        Assert.False(second.IsCompleted);
        (await host.Driver.NextRunAsync(Cancellation)).Release();

        Assert.Equal(HttpStatusCode.OK, urgent.StatusCode);
        Assert.Equal(HttpStatusCode.OK, (await second).StatusCode);
        Assert.Equal(HttpStatusCode.OK, (await first).StatusCode);
    }

    [Fact]
    public async Task A_header_that_cannot_be_read_is_refused_before_anything_starts()
    {
        await using var host = await GatewayHost.StartAsync();
        host.Add("digits");

        using var refused = await InferAsync(host, ("Dormouse-Deadline", "soon"));

        Assert.Equal("request_invalid", await refused.CodeAsync());
        Assert.Equal(0, host.Driver.Started);
    }

    private static Task<HttpResponseMessage> InferAsync(GatewayHost host, (string Name, string Value) header)
    {
        var request = new HttpRequestMessage(HttpMethod.Post, "/v2/models/digits/infer") { Content = new StringContent("{}") };
        request.Headers.Add(header.Name, header.Value);
        return host.Client.SendAsync(request, Cancellation);
    }

    private sealed class UnsentExchange : Exchange
    {
        public override long BodyBytes => 2;

        public override bool CanRepeat => true;

        public override ValueTask<AttemptEnd> SendAsync(InvocationRun run, CancellationToken deadline) => throw new InvalidOperationException("It must not be sent.");
    }
}
