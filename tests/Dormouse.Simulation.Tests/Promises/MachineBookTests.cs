using Dormouse.Core.Endpoints;
using Dormouse.Core.Instances;
using Dormouse.Simulation.Promises;

namespace Dormouse.Simulation.Tests.Promises;

public sealed class MachineBookTests
{
    private readonly MachineBook _book = new(budgetMib: 1_000, startsAtOnceMax: 2);

    [Fact]
    public void A_start_beyond_the_budget_is_found()
    {
        Ask(1, 2);

        Assert.Null(_book.Admitted(Id(1), 600));
        Assert.Equal("instances hold 1200 MiB; the machine's budget is 1000", _book.Admitted(Id(2), 600));
    }

    [Fact]
    public void A_start_that_passes_another_is_found()
    {
        Ask(1, 2);

        Assert.Equal("the start of r1-2 passed 1 that came before it", _book.Admitted(Id(2), 64));
    }

    [Fact]
    public void A_start_too_many_at_once_is_found()
    {
        Ask(1, 2, 3, 4);

        Assert.Null(_book.Admitted(Id(1), 64));
        _book.StartEnded(Id(1));
        Assert.Null(_book.Admitted(Id(2), 64));
        Assert.Null(_book.Admitted(Id(3), 64));
        Assert.Equal("3 start at once; allowed are 2", _book.Admitted(Id(4), 64));
    }

    [Fact]
    public void What_is_not_there_can_neither_start_nor_go()
    {
        Assert.Equal("r1-1 was admitted and did not wait", _book.Admitted(Id(1), 64));
        Assert.Equal("r1-2 went and was not there", _book.Gone(Id(2)));
    }

    private void Ask(params int[] numbers) => Array.ForEach(numbers, n => Assert.Null(_book.Requested(Id(n))));

    private static InstanceId Id(int number) => new(new RevisionId(new EndpointId(Guid.Empty), 1), number);
}
