using Dormouse.Core.Endpoints;
using Dormouse.Core.Instances;
using Dormouse.Simulation.Promises;

namespace Dormouse.Simulation.Tests.Promises;

public sealed class MachineBookTests
{
    private readonly MachineBook _book = new(new MachineLimits(1_000, 2) { StartsPerSecond = 20, CpuMillis = 2_000 });

    [Fact]
    public void A_start_beyond_the_budget_is_found()
    {
        Ask(1, 2);

        Assert.Null(Admit(Id(1), 600));
        Assert.Equal("instances hold 1200 MiB; the machine's budget is 1000", Admit(Id(2), 600));
    }

    [Fact]
    public void A_start_that_passes_another_is_found()
    {
        Ask(1, 2);

        Assert.Equal("the start of r1-2 passed 1 of its endpoint that came before it", Admit(Id(2), 64));
    }

    [Fact]
    public void A_second_turn_while_another_endpoint_waits_for_its_first_is_found()
    {
        Ask(1, 2, 3);
        Assert.Null(_book.Requested(Id(1, endpoint: 1), TenantId.Default));

        Assert.Null(Admit(Id(1), 64));
        _book.StartEnded(Id(1));
        Assert.Equal("the start of r1-2 is the second of its endpoint while another endpoint waits for its first", Admit(Id(2), 64));
    }

    [Fact]
    public void A_second_turn_while_another_tenant_waits_for_its_first_is_found()
    {
        Ask(1);
        Assert.Null(_book.Requested(Id(1, endpoint: 1), TenantId.Default));
        Assert.Null(_book.Requested(Id(1, endpoint: 2), new TenantId("other")));

        Assert.Null(Admit(Id(1), 64));
        Assert.Equal("the start of r1-1 is the second of its tenant while another tenant waits for its first", Admit(Id(1, endpoint: 1), 64));
    }

    [Fact]
    public void A_start_that_passes_one_that_presses_is_found()
    {
        Ask(1, 2);
        Assert.Null(_book.Requested(Id(1, endpoint: 1), TenantId.Default));
        _book.Pressed(Id(1, endpoint: 1));

        Assert.Equal("the start of r1-1 passed one that presses", Admit(Id(1), 64));
    }

    [Fact]
    public void A_start_too_many_at_once_is_found()
    {
        Ask(1, 2, 3, 4);

        Assert.Null(Admit(Id(1), 64));
        _book.StartEnded(Id(1));
        Assert.Null(Admit(Id(2), 64));
        Assert.Null(Admit(Id(3), 64));
        Assert.Equal("3 start at once; allowed are 2", Admit(Id(4), 64));
    }

    [Fact]
    public void What_is_not_there_can_neither_start_nor_go()
    {
        Assert.Equal("r1-1 was admitted and did not wait", Admit(Id(1), 64));
        Assert.Equal("r1-2 went and was not there", _book.Gone(Id(2)));
    }

    [Fact]
    public void Cores_reserved_beyond_the_budget_are_found()
    {
        Ask(1, 2);

        Assert.Null(Admit(Id(1), 64, cpuMillis: 1_500));
        Assert.Equal("2001 thousandths of a core are reserved; allowed are 2000", Admit(Id(2), 64, cpuMillis: 501));
    }

    [Fact]
    public void A_start_too_many_in_a_time_is_found()
    {
        for (var i = 1; i <= 20; i++)
        {
            Ask(i);
            Assert.Null(Admit(Id(i), 1));
            _book.StartEnded(Id(i));
        }

        Ask(21, 22);
        Assert.Null(Admit(Id(21), 1, at: 0.05));
        Assert.Equal("22 starts began within 0.099 s; allowed are 20 a second and 20 at once", Admit(Id(22), 1, at: 0.099));
    }

    private string? Admit(InstanceId instance, int memoryMib, int cpuMillis = 0, double at = 0) =>
        _book.Admitted(instance, new InstanceNeed(memoryMib, cpuMillis), new Core.MonotonicTime(TimeSpan.FromSeconds(at).Ticks));

    private void Ask(params int[] numbers) => Array.ForEach(numbers, n => Assert.Null(_book.Requested(Id(n), TenantId.Default)));

    private static InstanceId Id(int number, int endpoint = 0) => new(new RevisionId(new EndpointId(new Guid(endpoint, 0, 0, new byte[8])), 1), number);
}
