using Dormouse.Core.Instances;
using Dormouse.Drivers.Tests.Support;

namespace Dormouse.Drivers.Tests;

/// <summary>The launcher as a user who may not write any cgroup.</summary>
public sealed class UnprivilegedTests
{
    [Fact]
    public async Task Without_cgroups_it_says_so_and_still_starts_and_clears_away()
    {
        await using var fixture = await OpenAsync();

        var limits = Assert.Single(fixture.Driver.Probes, probe => probe.Name == "limits");
        var (instance, ready) = await fixture.StartReadyAsync("grandchild");
        await fixture.Observer.WaitForLineAsync(instance, "grandchild");
        var grandchild = int.Parse(fixture.Observer.Lines(instance)[0].Split(' ')[1], null);
        var answer = await DriverFixture.AskAsync(ready.Address, "hello");
        fixture.Driver.Stop(instance, StopReason.Idle);
        await fixture.Observer.WaitForGoneAsync(instance);

        Assert.False(fixture.HasCgroups);
        Assert.Contains("Delegate=yes", limits.Detail, StringComparison.Ordinal);
        Assert.Equal("model|", answer);
        Assert.False(Machine.IsRunning(grandchild));
        Assert.False(File.Exists(ready.Address));
    }

    [Fact]
    public async Task Without_cgroups_an_instance_over_its_memory_is_lost_all_the_same()
    {
        await using var fixture = await OpenAsync();

        var (instance, ready) = await fixture.StartReadyAsync();
        await DriverFixture.AskAsync(ready.Address, "eat");
        var loss = await fixture.Observer.WaitForAsync<InstanceLoss>(instance);

        Assert.Equal(InstanceLossKind.Crashed, loss.Kind);
    }

    /// <summary>A driver whose launcher runs as a nobody.</summary>
    private static Task<DriverFixture> OpenAsync()
    {
        Machine.NeedAnotherUser();
        return DriverFixture.OpenAsync(change: Machine.AsNobody);
    }
}
