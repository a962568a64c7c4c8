using System.Globalization;
using Dormouse.Core.Dispatch;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Instances;
using Dormouse.Core.Usage;
using Dormouse.Protocol.Control;
using Dormouse.Protocol.Problems;
using Dormouse.Server.Tests.Fakes;

namespace Dormouse.Server.Tests.Control;

public sealed class UsageTests
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Totals_equal_the_sum_of_the_receipts_to_the_unit()
    {
        await using var server = await ControlServer.StartAsync();
        var (first, second) = (await EndpointAsync(server, "first"), await EndpointAsync(server, "second"));
        var receipts = Enumerable.Range(0, 50).Select(i => Close(server, i % 3 == 0 ? first : second, i * 777L)).ToList();

        var report = await ReadAsync(server, "/api/v1/usage?by=endpoint");
        var hours = await ReadAsync(server, "/api/v1/usage?by=hour&endpoint=second");

        Assert.Equal(50, report.Total.Invocations);
        Assert.Equal(Sum(receipts, r => r.PricePico), report.Total.PricePico);
        Assert.Equal(["first", "second"], report.Rows.Select(r => r.Endpoint));
        Assert.Equal(Sum(receipts.Where(r => r.Revision.Endpoint == first), r => r.PricePico), report.Rows[0].PricePico);
        Assert.Equal(Sum(receipts.Where(r => r.Revision.Endpoint == second), r => r.PricePico), hours.Total.PricePico);
        Assert.All(hours.Rows, r => Assert.Equal("second", r.Endpoint));
        Assert.Equal(receipts.Sum(r => r.BilledMilliseconds), report.Total.BilledMs);
    }

    [Fact]
    public async Task A_receipt_is_there_while_it_runs_and_after()
    {
        await using var server = await ControlServer.StartAsync();
        var endpoint = await EndpointAsync(server, "digits");
        var opening = Opening(endpoint);
        var sequence = server.Storage.Journal.TryOpen(opening);

        var running = await ReceiptAsync(server, opening.Invocation);
        var receipt = Close(server, sequence, opening, 1_500);
        var ended = await ReceiptAsync(server, opening.Invocation);

        Assert.Equal(("running", "digits", "r1-7"), (running.Outcome, running.Endpoint, running.Instance));
        Assert.Equal(("completed", "cold", "first", "pool"), (ended.Outcome, ended.Start, ended.Cause, ended.Rung));
        Assert.Equal((2L, receipt.PricePico, PicoMoney.Format(receipt.PricePico), "USD"), (ended.BilledMs, ended.PricePico, ended.Price, ended.Currency));
        Assert.Equal(1.5, ended.RunMs);
    }

    [Fact]
    public async Task Receipts_are_listed_newest_first_also_of_a_deleted_endpoint()
    {
        await using var server = await ControlServer.StartAsync();
        var endpoint = await EndpointAsync(server, "digits");
        var receipts = Enumerable.Range(0, 5).Select(_ => Close(server, endpoint, 1000)).ToList();
        (await server.Admin.DeleteAsync("/api/v1/endpoints/digits", Cancellation)).EnsureSuccessStatusCode();

        using var response = await server.Admin.GetAsync($"/api/v1/invocations?limit=3&endpoint={endpoint}", Cancellation);
        using var byName = await server.Admin.GetAsync("/api/v1/endpoints/digits/invocations", Cancellation);

        var list = await ControlServer.ReadAsync(response, ControlJson.Default.ReceiptList);
        Assert.Equal(3, list.Invocations.Length);
        Assert.All(list.Invocations, r => Assert.Equal("digits", r.Endpoint));
        Assert.Subset(receipts.Select(r => r.Invocation.ToString()).ToHashSet(), list.Invocations.Select(r => r.Id).ToHashSet());
        await ControlServer.ProblemAsync(byName, ProblemCode.EndpointNotFound);
    }

    [Theory]
    [InlineData("/api/v1/usage?by=day", "request_invalid")]
    [InlineData("/api/v1/usage?from=yesterday", "request_invalid")]
    [InlineData("/api/v1/usage?from=2026-02-01&to=2026-01-01", "request_invalid")]
    [InlineData("/api/v1/usage?endpoint=nobody", "endpoint_not_found")]
    [InlineData("/api/v1/invocations?limit=0", "request_invalid")]
    [InlineData("/api/v1/invocations/not-an-id", "invocation_not_found")]
    [InlineData("/api/v1/invocations/0190a8e0-0000-7000-8000-000000000000", "invocation_not_found")]
    public async Task A_question_that_has_no_answer_says_why(string path, string code)
    {
        await using var server = await ControlServer.StartAsync();

        using var response = await server.Admin.GetAsync(path, Cancellation);

        await ControlServer.ProblemAsync(response, ProblemCode.All[code]);
    }

    [Fact]
    public async Task An_offset_with_a_plus_that_was_not_escaped_is_understood()
    {
        await using var server = await ControlServer.StartAsync();

        var report = await ReadAsync(server, "/api/v1/usage?from=2026-01-01T02:30:00+02:00&to=2026-01-02");

        Assert.Equal(DateTimeOffset.Parse("2026-01-01T00:00:00Z", CultureInfo.InvariantCulture), report.From);
        Assert.Equal(DateTimeOffset.Parse("2026-01-02T00:00:00Z", CultureInfo.InvariantCulture), report.To);
    }

    private static async Task<EndpointId> EndpointAsync(ControlServer server, string name)
    {
        (await server.DeployAsync(name, "good")).EnsureSuccessStatusCode();
        return new EndpointId(Guid.Parse((await server.EndpointAsync(name)).Id));
    }

    private static InvocationOpening Opening(EndpointId endpoint) =>
        new(new InvocationId(Guid.CreateVersion7()), TenantId.Default, new RevisionId(endpoint, 1), 7, TimeProvider.System.GetUtcNow(), 512);

    private static Receipt Close(ControlServer server, EndpointId endpoint, long microseconds)
    {
        var opening = Opening(endpoint);
        return Close(server, server.Storage.Journal.TryOpen(opening), opening, microseconds);
    }

    private static Receipt Close(ControlServer server, long sequence, InvocationOpening opening, long microseconds)
    {
        var lease = new SlotLease(1, new InstanceId(opening.Revision, opening.Instance), "/x", 1);
        var grant = new SlotGrant(1, lease, StartKind.Cold, StartCause.First, Rung.Pool, TimeSpan.FromMilliseconds(1), TimeSpan.FromMilliseconds(2), TimeSpan.Zero);
        var receipt = Receipts.Close(
            server.Storage.ServerId, sequence, opening, grant, new InvocationEnd(Outcome.Completed, 200, microseconds, 0, microseconds), PriceBook.Default);
        server.Storage.Journal.Close(receipt);
        return receipt;
    }

    private static string Sum(IEnumerable<Receipt> receipts, Func<Receipt, long> of) =>
        receipts.Aggregate((Int128)0, (sum, r) => sum + of(r)).ToString(CultureInfo.InvariantCulture);

    private static async Task<UsageReport> ReadAsync(ControlServer server, string path) =>
        await ControlServer.ReadAsync(await server.Admin.GetAsync(path, Cancellation), ControlJson.Default.UsageReport);

    private static async Task<ReceiptInfo> ReceiptAsync(ControlServer server, InvocationId id) =>
        await ControlServer.ReadAsync(await server.Admin.GetAsync($"/api/v1/invocations/{id}", Cancellation), ControlJson.Default.ReceiptInfo);
}
