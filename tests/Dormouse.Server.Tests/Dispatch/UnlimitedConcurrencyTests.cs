using Dormouse.Core.Dispatch;
using Dormouse.Server.Tests.Gateway;

namespace Dormouse.Server.Tests.Dispatch;

public sealed class UnlimitedConcurrencyTests
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Calls_never_wait_for_one_another_and_what_is_beyond_the_target_starts_the_next_instance()
    {
        await using var host = await GatewayHost.StartAsync();
        host.Driver.HoldRuns();
        var route = host.Add("chat", GatewayHost.Spec() with { Concurrency = 1_000, IsConcurrencyUnlimited = true, TargetConcurrency = 4, TargetUtilization = 1, MaxInstances = 2 });
        var warming = host.InferAsync("chat");
        var warm = await host.Driver.NextRunAsync(Cancellation);
        host.Time.Advance(TimeSpan.FromSeconds(1));
        warm.Release();
        using var first = await warming;

        // Five at once run on the one that is there; the fifth is one too many for it.
        var answers = Enumerable.Range(0, 5).Select(_ => host.InferAsync("chat")).ToList();
        var runs = new List<FakeRun>();
        while (runs.Count < answers.Count)
        {
            runs.Add(await host.Driver.NextRunAsync(Cancellation));
        }

        Assert.Single(runs.Select(r => r.Instance.Id).Distinct());
        await Conditions.UntilAsync(() => host.Dispatch.Samples(route.Endpoint.Id) is [{ Sample.Instances: [{ State: InstanceState.Ready }, { State: InstanceState.Ready }] }], "the second is ready");
        Assert.Contains(host.Dispatch.Changes(route.Endpoint.Id), c => c.Change.Reason == "0 waiting, 5 running on 1 instance, target 4 an instance");

        // The next goes to the less loaded of the two.
        answers.Add(host.InferAsync("chat"));
        var next = await host.Driver.NextRunAsync(Cancellation);
        Assert.NotEqual(runs[0].Instance.Id, next.Instance.Id);
        runs.ForEach(r => r.Release());
        next.Release();
        foreach (var answer in answers)
        {
            using var response = await answer;
            Assert.Equal((System.Net.HttpStatusCode.OK, "warm"), (response.StatusCode, response.Header("Dormouse-Start")));
        }
    }
}
