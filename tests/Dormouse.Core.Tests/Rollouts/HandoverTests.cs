using System.Collections.Immutable;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Rollouts;

namespace Dormouse.Core.Tests.Rollouts;

public sealed class HandoverTests
{
    private static readonly DateTimeOffset Now = DateTimeOffset.UnixEpoch.AddDays(20_000);
    private static readonly HandoverPolicy Policy = new(null, TimeSpan.FromMinutes(10), TimeSpan.FromMinutes(5));
    private static readonly TimeSpan Second = TimeSpan.FromSeconds(1);

    [Theory]
    [InlineData(0, 1)]
    [InlineData(1, 1)]
    [InlineData(3, 3)]
    [InlineData(9, 4)]
    public void As_many_are_warmed_as_serve_now_at_least_one_at_most_what_the_revision_may_have(int inUse, int wanted)
    {
        var decision = Decide(Warming(Policy, new TrafficShare(2, 100)), [new(1, inUse, 10), new(2, 0, 4)]);

        Assert.Equal([new(2, wanted)], Assert.IsType<HandoverDecision.Warm>(decision).Standby);
    }

    [Fact]
    public void A_share_of_the_traffic_is_warmed_with_its_share_of_the_instances_and_the_number_of_the_user_goes_before()
    {
        ImmutableArray<TrafficShare> half = [new(1, 50), new(2, 50)];
        IReadOnlyList<HandoverSample> samples = [new(1, 5, 10), new(2, 0, 10)];

        Assert.Equal([new(2, 3)], Assert.IsType<HandoverDecision.Warm>(Decide(Warming(Policy, [.. half]), samples)).Standby);
        Assert.Equal([new(2, 7)], Assert.IsType<HandoverDecision.Warm>(Decide(Warming(Policy with { Warm = 7 }, [.. half]), samples)).Standby);
    }

    [Fact]
    public void The_traffic_moves_when_all_are_ready_and_the_old_ones_are_kept_for_as_long_as_was_said()
    {
        var warming = Warmed(2);

        Assert.IsType<HandoverDecision.Wait>(Decide(warming, [new(1, 3, 10), new(2, 1, 10)]));
        var move = Assert.IsType<HandoverDecision.Move>(Decide(warming, [new(1, 3, 10), new(2, 2, 10)]));
        var moved = HandoverFlow.Apply(warming, move, Now);

        Assert.Equal("2 of 2 instances of r2 were ready after 1 s", move.Reason);
        Assert.Equal([new(2, 100)], moved.Traffic);
        Assert.Equal([new(1, 100)], moved.PreviousTraffic);
        Assert.Equal((HandoverState.Keeping, Now + Policy.KeepOld, 3), (moved.Handover?.State, moved.Handover?.KeptUntil, moved.Handover?.StandbyOf(1)));
        Assert.IsType<HandoverDecision.Wait>(HandoverRule.Decide(moved, [], Second, Now + Policy.KeepOld - Second));
        var done = HandoverFlow.Apply(moved, HandoverRule.Decide(moved, [], Second, Now + Policy.KeepOld), Now);
        Assert.Equal((HandoverState.Done, 0), (done.Handover?.State, done.Handover?.StandbyOf(1)));
        Assert.Equal([new(2, 100)], done.Traffic);
    }

    [Fact]
    public void Nothing_is_kept_where_no_time_was_said()
    {
        var warming = Warmed(1, Policy with { KeepOld = TimeSpan.Zero });

        var moved = HandoverFlow.Apply(warming, Decide(warming, [new(1, 3, 10), new(2, 1, 10)]), Now);

        Assert.Equal((HandoverState.Done, 0), (moved.Handover?.State, moved.Handover?.StandbyOf(1)));
    }

    [Fact]
    public void One_that_had_scaled_to_zero_is_kept_warm_too()
    {
        var move = Assert.IsType<HandoverDecision.Move>(Decide(Warmed(1), [new(1, 0, 10), new(2, 1, 10)]));

        Assert.Equal([new(1, 1)], move.Standby);
    }

    [Fact]
    public void Three_failed_starts_leave_the_traffic_where_it_is()
    {
        var warming = Warmed(2);

        Assert.IsType<HandoverDecision.Wait>(Decide(warming, [new(1, 3, 10), new(2, 1, 10, 2, "unknown operator 'Foo'.")]));
        var fail = Assert.IsType<HandoverDecision.Fail>(Decide(warming, [new(1, 3, 10), new(2, 1, 10, 3, "unknown operator 'Foo'.")]));
        var failed = HandoverFlow.Apply(warming, fail, Now);

        Assert.Equal("r2 failed to start 3 times, the last time because: unknown operator 'Foo'", fail.Reason);
        Assert.Equal([new(1, 100)], failed.Traffic);
        Assert.Equal((HandoverState.Failed, 0), (failed.Handover?.State, failed.Handover?.StandbyOf(2)));
    }

    [Fact]
    public void So_does_the_end_of_the_time()
    {
        IReadOnlyList<HandoverSample> samples = [new(1, 3, 10), new(2, 1, 10, 1, "no memory")];

        var fail = Assert.IsType<HandoverDecision.Fail>(HandoverRule.Decide(Warmed(2), samples, Policy.TimeLimit, Now));

        Assert.Equal("only 1 of 2 instances of r2 were ready within 5 min; the last start failed because: no memory", fail.Reason);
    }

    [Fact]
    public void A_change_of_the_traffic_unloading_and_another_deploy_end_it()
    {
        foreach (var state in new[] { HandoverState.Warming, HandoverState.Keeping })
        {
            var endpoint = Warmed(2) with { };
            endpoint = endpoint with { Handover = endpoint.Handover! with { State = state, MovedAt = Now } };

            var same = CanaryFlow.TrafficSet(endpoint, endpoint.Traffic, "the traffic was changed", Now);
            var unloaded = CanaryFlow.Unloaded(endpoint, isUnloaded: true, Now);
            var deployed = Debut.Usual.Completed(endpoint, 3, RevisionState.Ready, serves: true, Now);

            Assert.Equal((HandoverState.Ended, "the traffic was changed"), (same.Handover?.State, same.Handover?.Reason));
            Assert.Equal((HandoverState.Ended, "the endpoint was unloaded"), (unloaded.Handover?.State, unloaded.Handover?.Reason));
            Assert.Equal((HandoverState.Ended, "r3 was deployed"), (deployed.Handover?.State, deployed.Handover?.Reason));
            Assert.Equal([new(3, 100)], deployed.Traffic);
        }
    }

    [Fact]
    public void A_deploy_waits_for_its_verifying_then_warms_and_takes_no_traffic_meanwhile()
    {
        var waiting = HandoverFlow.Wait(Endpoint(), 2, Policy);

        var warming = Debut.Usual.Completed(waiting, 2, RevisionState.Ready, serves: true, Now);
        var refused = Debut.Usual.Completed(waiting, 2, RevisionState.Failed, serves: false, Now);
        var overtaken = Debut.Usual.Completed(waiting with { Traffic = [new(3, 100)] }, 2, RevisionState.Ready, serves: true, Now);

        Assert.Equal((HandoverState.Warming, Now), (warming.Handover?.State, warming.Handover?.StartedAt));
        Assert.Equal([new(1, 100)], warming.Traffic);
        Assert.Equal([2], HandoverFlow.Revisions(warming));
        Assert.Equal((HandoverState.Ended, "r2 was refused at verifying"), (refused.Handover?.State, refused.Handover?.Reason));
        Assert.Equal((HandoverState.Ended, "a newer revision took the traffic"), (overtaken.Handover?.State, overtaken.Handover?.Reason));
    }

    [Fact]
    public void One_rollout_at_a_time()
    {
        var warming = Warmed(2);
        var canary = Endpoint() with { Canary = new Canary { Revision = 2, Policy = new CanaryPolicy(10, 100, Second), State = CanaryState.Running } };

        Assert.Contains("is being handed over to r2=100 already", HandoverRules.Refusal(warming), StringComparison.Ordinal);
        Assert.Contains("r2 of 'digits' is a canary", HandoverRules.Refusal(canary), StringComparison.Ordinal);
        Assert.Contains("is being handed over", CanaryRules.Refusal(warming, "digits", new CanaryPolicy(10, 100, Second)), StringComparison.Ordinal);
        Assert.Null(HandoverRules.Refusal(null));
        Assert.Null(HandoverRules.Refusal(Endpoint()));
    }

    [Theory]
    [InlineData(0, null, null, "handover.warm is 0; allowed are 1 to 1000.")]
    [InlineData(null, "25h", null, "handover.keep_old")]
    [InlineData(null, "soon", null, "handover.keep_old")]
    [InlineData(null, null, "5s", "handover.for")]
    public void Settings_out_of_bounds_are_named(int? warm, string? keepOld, string? limit, string message)
    {
        var refused = Assert.IsType<HandoverOutcome.Refused>(HandoverRules.Apply(warm, keepOld, limit));

        Assert.StartsWith(message, Assert.Single(refused.Errors).Message, StringComparison.Ordinal);
    }

    private static HandoverDecision Decide(Endpoint endpoint, IReadOnlyList<HandoverSample> samples) => HandoverRule.Decide(endpoint, samples, Second, Now);

    private static Endpoint Endpoint() => new()
    {
        Tenant = TenantId.Default,
        Id = new EndpointId(Guid.Empty),
        Name = "digits",
        Traffic = [new(1, 100)],
        CreatedAt = Now,
    };

    private static Endpoint Warming(HandoverPolicy policy, params ImmutableArray<TrafficShare> traffic) => HandoverFlow.Begin(Endpoint(), traffic, policy, Now);

    private static Endpoint Warmed(int instances, HandoverPolicy? policy = null) =>
        HandoverFlow.Apply(Warming(policy ?? Policy, new TrafficShare(2, 100)), new HandoverDecision.Warm([new(2, instances)]), Now);
}
