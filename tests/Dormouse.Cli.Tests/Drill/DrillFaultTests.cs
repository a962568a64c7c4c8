using System.Collections.Immutable;
using System.Net;
using System.Text.Json.Nodes;
using Dormouse.Cli.Drill;
using Dormouse.Client;
using Dormouse.Protocol.Control;

namespace Dormouse.Cli.Tests.Drill;

/// <summary>Whatever a server does to one of many calls, a drill notices it.</summary>
public sealed class DrillFaultTests
{
    private readonly DrillBench _bench = new();

    [Fact]
    public async Task Right_answers_are_right_and_agree_with_the_ledger()
    {
        await _bench.CallAsync(20);
        var accounts = await _bench.AccountsAsync();

        Assert.Equal((20, 20, 0, 0, 0), (_bench.Counts.Sent, _bench.Counts.Right, _bench.Counts.Lost, _bench.Counts.Wrong, _bench.Counts.Late));
        Assert.Equal((20, 0, 0, 20 * 8_333L, null), (accounts.Receipts, accounts.Duplicated, accounts.Unaccounted, accounts.PricePico, accounts.Difference));
        Assert.Empty(_bench.Faults);
    }

    [Fact]
    public async Task A_broken_connection_is_a_lost_call()
    {
        await _bench.CallAsync(3);
        _bench.Server.BreaksNext = true;
        await _bench.CallAsync(3);
        var accounts = await _bench.AccountsAsync();

        Assert.Equal((6, 5, 1), (_bench.Counts.Sent, _bench.Counts.Right, _bench.Counts.Lost));
        Assert.Contains("call-4: no answer", Assert.Single(_bench.Faults), StringComparison.Ordinal);
        // Its receipt is that of the lost call, not a second one of another.
        Assert.Equal((6, 0), (accounts.Receipts, accounts.Duplicated));
    }

    [Theory]
    [InlineData(HttpStatusCode.BadGateway, "worker_crashed")]
    [InlineData(HttpStatusCode.ServiceUnavailable, "start_failed")]
    [InlineData(HttpStatusCode.InternalServerError, "internal")]
    [InlineData(HttpStatusCode.NotFound, "endpoint_not_found")]
    public async Task An_error_that_is_no_back_pressure_is_a_lost_call(HttpStatusCode status, string code)
    {
        _bench.Server.Problem = (status, code);
        await _bench.CallAsync(2);

        Assert.Equal((1, 1, 0), (_bench.Counts.Right, _bench.Counts.Lost, _bench.Counts.Refused));
        Assert.Contains(code, Assert.Single(_bench.Faults), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(HttpStatusCode.TooManyRequests, "concurrency_limit_reached")]
    [InlineData(HttpStatusCode.ServiceUnavailable, "queue_timeout")]
    [InlineData(HttpStatusCode.ServiceUnavailable, "capacity_exhausted")]
    public async Task Back_pressure_is_counted_apart(HttpStatusCode status, string code)
    {
        _bench.Server.Problem = (status, code);
        await _bench.CallAsync(2);
        var accounts = await _bench.AccountsAsync();

        Assert.Equal((1, 0, 1), (_bench.Counts.Right, _bench.Counts.Lost, _bench.Counts.Refused));
        Assert.Equal((1, 0, 0), (accounts.Receipts, accounts.Duplicated, accounts.Unaccounted));
        Assert.Empty(_bench.Faults);
    }

    [Theory]
    [InlineData("id", "\"call-1\"")]
    [InlineData("model_name", "\"another\"")]
    [InlineData("model_version", "\"2\"")]
    [InlineData("model_version", "\"no number\"")]
    [InlineData("outputs", "[]")]
    [InlineData("outputs", """[{"name":"total","shape":[1],"datatype":"INT64","data":[1000000010]}]""")]
    [InlineData("outputs", """[{"name":"total","shape":[1],"datatype":"INT64","data":["text"]}]""")]
    public async Task An_answer_of_another_request_or_revision_is_wrong(string member, string value)
    {
        await _bench.CallAsync();
        _bench.Server.Garble = answer => answer[member] = JsonNode.Parse(value);
        await _bench.CallAsync();

        Assert.Equal((1, 1), (_bench.Counts.Right, _bench.Counts.Wrong));
        Assert.Single(_bench.Faults);
    }

    [Fact]
    public async Task A_right_answer_after_the_deadline_is_late()
    {
        _bench.Server.Duration = TimeSpan.FromMilliseconds(2_000);
        await _bench.CallAsync();
        _bench.Server.Duration = TimeSpan.FromMilliseconds(2_001);
        await _bench.CallAsync();

        Assert.Equal((1, 1, 2_001), (_bench.Counts.Right, _bench.Counts.Late, _bench.Counts.SlowestMs));
    }

    [Fact]
    public async Task A_second_receipt_of_a_call_is_a_duplicate()
    {
        await _bench.CallAsync(3);
        _bench.Server.ReceiptsOfNext = 2;
        await _bench.CallAsync();
        var accounts = await _bench.AccountsAsync();

        Assert.Equal((5, 1), (accounts.Receipts, accounts.Duplicated));
        Assert.Equal(4, _bench.Counts.Right);
    }

    [Fact]
    public async Task An_answer_without_a_receipt_is_unaccounted()
    {
        await _bench.CallAsync(3);
        _bench.Server.ReceiptsOfNext = 0;
        await _bench.CallAsync();
        var accounts = await _bench.AccountsAsync();

        Assert.Equal((3, 0, 1), (accounts.Receipts, accounts.Duplicated, accounts.Unaccounted));
    }

    [Fact]
    public async Task Totals_that_are_not_the_sum_of_the_receipts_are_told()
    {
        await _bench.CallAsync(2);
        _bench.Server.TotalsBeyond = 1;
        var accounts = await _bench.AccountsAsync();

        Assert.Equal("invocations is 3 in the totals and 2 in the receipts", accounts.Difference);
    }

    [Fact]
    public async Task A_revision_that_lost_its_traffic_may_not_answer_what_is_sent_later()
    {
        _bench.Traffic.Changing([2], Tick());
        await _bench.CallAsync();
        _bench.Server.Revision = 2;
        await _bench.CallAsync();
        _bench.Traffic.Changed(Tick());
        await _bench.CallAsync();
        Tick();
        _bench.Server.Revision = 1;
        await _bench.CallAsync();

        Assert.Equal((3, 1), (_bench.Counts.Right, _bench.Counts.Wrong));
        Assert.Contains("revision 1 answered while traffic was on r2", Assert.Single(_bench.Faults), StringComparison.Ordinal);
    }

    [Fact]
    public void A_call_that_was_under_way_while_traffic_moved_may_be_answered_by_either()
    {
        var traffic = new Dormouse.Cli.Drill.TrafficHistory();
        traffic.Changing([1], 10);
        traffic.Changed(11);
        traffic.Changing([1, 2], 20);
        traffic.Changed(30);

        Assert.Equal([1], traffic.Between(12, 19).Order());
        Assert.Equal([1, 2], traffic.Between(12, 20).Order());
        Assert.Equal([1, 2], traffic.Between(31, 32).Order());
        traffic.Changing([3], 40);
        Assert.Equal([1, 2, 3], traffic.Between(41, 42).Order());
        traffic.Changed(43);
        Assert.Equal([3], traffic.Between(44, 45).Order());
    }

    [Theory]
    [InlineData("running", false, 5, 5, "r2=100", "r3 was not decided on within 75 s, it is running")]
    [InlineData("promoted", true, 5, 5, "r3=100", "r3 takes ten times as long as r2 and was promoted")]
    [InlineData("promoted", false, 0, 9, "r3=100", "it answered 0 and r2 9")]
    [InlineData("promoted", false, 9, 0, "r3=100", "it answered 9 and r2 0")]
    [InlineData("promoted", false, 5, 5, "r2=50 r3=50", "r3 was promoted and the traffic is r2=50, r3=50")]
    [InlineData("rolled_back", true, 5, 5, "r3=100", "r3 was rolled back and the traffic is r3=100")]
    public void A_canary_that_breaks_a_promise_is_found(string state, bool isSlow, int byNew, int byOld, string traffic, string finding)
    {
        var promises = new DrillPromises();

        CanaryAct.Judge("canary", Canary(state, isSlow, byNew, byOld, traffic), promises);

        Assert.Contains(finding, Assert.Single(promises.Broken), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("promoted", false, "r3=100")]
    [InlineData("rolled_back", false, "r2=100")]
    [InlineData("rolled_back", true, "r2=100")]
    public void A_canary_that_is_decided_keeps_its_promises(string state, bool isSlow, string traffic)
    {
        var promises = new DrillPromises();

        CanaryAct.Judge("canary", Canary(state, isSlow, 5, 5, traffic), promises);

        Assert.Empty(promises.Broken);
    }

    [Theory]
    [InlineData(true, 9, 0, 1, 0, null)]
    [InlineData(false, 9, 0, 1, 0, "the traffic did not move to r3")]
    [InlineData(true, 0, 0, 1, 0, "r3 has the traffic and answered nobody")]
    [InlineData(true, 9, 1, 1, 0, "1 callers of r3 waited for its first start")]
    [InlineData(true, 9, 0, 0, 0, "no instance of r2 is there")]
    [InlineData(true, 9, 0, 1, 2, "2 callers waited for a start of r2 after the way back")]
    public void A_handover_that_breaks_a_promise_is_found(bool hasMoved, int byNew, int coldByNew, int keptOld, int coldByOld, string? finding)
    {
        var promises = new DrillPromises();
        var info = new HandoverInfo
        {
            State = hasMoved ? "keeping" : "warming",
            Traffic = ImmutableSortedDictionary<string, int>.Empty.Add("r3", 100),
            Settings = new HandoverSettings(),
            MovedAt = hasMoved ? DateTimeOffset.UnixEpoch : null,
        };

        HandoverAct.Judge("handover", new HandoverSight(info, 3, 2, byNew, coldByNew, keptOld, coldByOld), promises);

        if (finding is null)
        {
            Assert.Empty(promises.Broken);
        }
        else
        {
            Assert.Contains(finding, Assert.Single(promises.Broken), StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData(20.0, 2.0, true)]
    [InlineData(3.0, 2.0, true)]
    [InlineData(2.9, 2.0, false)]
    [InlineData(null, 2.0, false)]
    [InlineData(20.0, null, false)]
    public void A_slow_canary_that_was_promoted_is_a_fault_where_its_runs_were_seen_to_be_slower(double? quickByNew, double? longByOld, bool isFault)
    {
        var promises = new DrillPromises();

        CanaryAct.Judge("canary", Canary("promoted", isSlow: true, 5, 5, "r3=100", quickByNew, longByOld), promises);

        Assert.Equal(isFault, !promises.Broken.IsEmpty);
    }

    [Fact]
    public void Warm_runs_of_a_revision_are_told_by_share_when_there_are_ten()
    {
        var answers = new AnswersByRevision();
        void Hear(string kind, double? run) =>
            answers.Heard(DrillCall.Of(1, 1), new DrillReply(200, """{"model_version":"3"}"""u8.ToArray(), new InvocationTrace("i", kind, null, null, null, null, null, run), TimeSpan.Zero));

        foreach (var run in (double?[])[9, 1, 8, 2, 7, 3, 6, 4, 5, null])
        {
            Hear("warm", run);
        }

        Hear("cold", 100);
        Assert.Null(answers.RunOf(3, 0.5));

        Hear("queued", 10);
        Assert.Equal((3.0, 8.0, null), (answers.RunOf(3, 0.25), answers.RunOf(3, 0.75), answers.RunOf(2, 0.5)));
    }

    [Fact]
    public void Answers_are_counted_by_their_revision_and_only_starts_that_were_to_be_spared()
    {
        var answers = new AnswersByRevision();
        void Hear(int status, string body, string kind, string? cause) =>
            answers.Heard(DrillCall.Of(1, 1), new DrillReply(status, System.Text.Encoding.UTF8.GetBytes(body), new InvocationTrace("i", kind, cause, null, null, null, null, null), TimeSpan.Zero));

        Hear(200, """{"model_version":"3"}""", "cold", "rollout");
        Hear(200, """{"model_version":"3"}""", "cold", "burst");
        Hear(200, """{"model_version":"3"}""", "warm", null);
        Hear(200, "no answer", "warm", null);
        Hear(503, """{"model_version":"3"}""", "cold", "first");

        Assert.Equal((3, 1, 0), (answers.Of(3), answers.ColdOf(3), answers.Of(2)));
    }

    private static CanarySight Canary(string state, bool isSlow, int byNew, int byOld, string traffic, double? quickByNew = 20, double? longByOld = 2) => new(
        new CanaryInfo { Revision = "r3", State = state, Settings = new CanarySettings(50) }, 3, 2, isSlow, byNew, byOld, quickByNew, longByOld,
        traffic.Split(' ').Select(t => t.Split('=')).ToImmutableSortedDictionary(t => t[0], t => int.Parse(t[1], System.Globalization.CultureInfo.InvariantCulture)));

    private long Tick()
    {
        _bench.Server.Time.Advance(TimeSpan.FromMilliseconds(1));
        return _bench.Server.Time.GetTimestamp();
    }
}
