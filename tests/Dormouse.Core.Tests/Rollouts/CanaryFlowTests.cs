using Dormouse.Core.Endpoints;
using Dormouse.Core.Rollouts;

namespace Dormouse.Core.Tests.Rollouts;

public sealed class CanaryFlowTests
{
    private static readonly DateTimeOffset Now = DateTimeOffset.UnixEpoch.AddDays(20_000);
    private static readonly CanaryPolicy Policy = new(10, 100, TimeSpan.FromMinutes(30));

    [Fact]
    public void A_canary_takes_its_share_when_it_is_ready_and_leaves_it_when_it_is_rolled_back()
    {
        var running = CanaryFlow.Completed(Waiting(new(1, 100)), 2, RevisionState.Ready, giveTraffic: true, Now);
        var back = CanaryFlow.Apply(running, 2, new CanaryDecision.RollBack("slower"), Now);

        Assert.Equal([new(1, 90), new(2, 10)], running.Traffic);
        Assert.Equal([new(1, 100)], running.PreviousTraffic);
        Assert.Equal(CanaryState.Running, running.Canary?.State);
        Assert.Equal([new(1, 100)], back.Traffic);
        Assert.Empty(back.PreviousTraffic);
        Assert.Equal((CanaryState.RolledBack, "slower", Now), (back.Canary?.State, back.Canary?.Reason, back.Canary?.EndedAt));
    }

    [Fact]
    public void A_promoted_canary_has_all_traffic_and_can_be_rolled_back_to_the_old()
    {
        var promoted = CanaryFlow.Apply(Running(new(1, 100)), 2, new CanaryDecision.Promote("no worse"), Now);

        Assert.Equal([new(2, 100)], promoted.Traffic);
        Assert.Equal([new(1, 100)], promoted.PreviousTraffic);
        Assert.Equal(CanaryState.Promoted, promoted.Canary?.State);
    }

    [Fact]
    public void The_others_give_by_their_weights_and_the_sum_stays_100()
    {
        for (var percent = 1; percent <= 99; percent++)
        {
            var traffic = Running([new(1, 33), new(2, 33), new(3, 34)], percent).Traffic;

            Assert.Equal(100, traffic.Sum(t => t.Weight));
            Assert.All(traffic, t => Assert.InRange(t.Weight, 1, 99));
            Assert.Equal(percent, traffic.Single(t => t.Revision == 9).Weight);
        }
    }

    [Fact]
    public void A_change_of_the_traffic_another_deploy_and_unloading_end_it()
    {
        var running = Running(new(1, 100));

        var changed = CanaryFlow.TrafficSet(running, [new(1, 50), new(2, 50)], "the traffic was changed", Now);
        var deployed = CanaryFlow.Completed(running, 3, RevisionState.Ready, giveTraffic: true, Now);
        var unloaded = CanaryFlow.Unloaded(running, isUnloaded: true, Now);

        Assert.Equal((CanaryState.Ended, "the traffic was changed"), (changed.Canary?.State, changed.Canary?.Reason));
        Assert.Equal((CanaryState.Ended, "r3 was deployed"), (deployed.Canary?.State, deployed.Canary?.Reason));
        Assert.Equal([new(3, 100)], deployed.Traffic);
        Assert.Equal((CanaryState.RolledBack, "the endpoint was unloaded"), (unloaded.Canary?.State, unloaded.Canary?.Reason));
        Assert.Equal([new(1, 100)], unloaded.Traffic);
    }

    [Fact]
    public void One_that_is_refused_or_overtaken_never_begins()
    {
        var refused = CanaryFlow.Completed(Waiting(new(1, 100)), 2, RevisionState.Failed, giveTraffic: false, Now);
        var overtaken = CanaryFlow.Completed(Waiting(new(3, 100)), 2, RevisionState.Ready, giveTraffic: true, Now);

        Assert.Equal((CanaryState.Ended, "r2 was refused at verifying"), (refused.Canary?.State, refused.Canary?.Reason));
        Assert.Equal((CanaryState.Ended, "a newer revision took the traffic"), (overtaken.Canary?.State, overtaken.Canary?.Reason));
        Assert.Equal([new(3, 100)], overtaken.Traffic);
    }

    [Fact]
    public void A_decision_that_comes_too_late_changes_nothing()
    {
        var ended = CanaryFlow.TrafficSet(Running(new(1, 100)), [new(1, 100)], "the traffic was changed", Now);

        Assert.Same(ended, CanaryFlow.Apply(ended, 2, new CanaryDecision.Promote("no worse"), Now));
        Assert.Same(ended, CanaryFlow.Apply(ended, 5, new CanaryDecision.Promote("no worse"), Now));
    }

    [Theory]
    [InlineData(0, null, null, "canary.percent is 0; allowed are 1 to 99.")]
    [InlineData(100, null, null, "canary.percent is 100; allowed are 1 to 99.")]
    [InlineData(10, 19, null, "canary.min is 19; allowed are 20 to 100000.")]
    [InlineData(10, null, "30s", "canary.for is 30s; allowed are 60s to 168h.")]
    public void Settings_out_of_bounds_are_refused_with_what_is_allowed(int percent, int? samples, string? time, string message)
    {
        var refused = Assert.IsType<CanaryOutcome.Refused>(CanaryRules.Apply(percent, samples, time));

        Assert.Equal(message, Assert.Single(refused.Errors).Message);
    }

    private static Endpoint Running(TrafficShare old) => CanaryFlow.Completed(Waiting(old), 2, RevisionState.Ready, giveTraffic: true, Now);

    private static Endpoint Running(TrafficShare[] old, int percent) =>
        CanaryFlow.Completed(
            Waiting(old[0]) with { Traffic = [.. old], Canary = new Canary { Revision = 9, Policy = Policy with { Percent = percent }, State = CanaryState.Waiting } },
            9, RevisionState.Ready, giveTraffic: true, Now);

    private static Endpoint Waiting(TrafficShare old) => new()
    {
        Tenant = TenantId.Default,
        Id = new EndpointId(Guid.Parse("01930000-0000-7000-8000-000000000001")),
        Name = "digits",
        Traffic = [old],
        CreatedAt = Now,
        Canary = new Canary { Revision = 2, Policy = Policy, State = CanaryState.Waiting },
    };
}
