using CsCheck;
using Dormouse.Core.Events;

namespace Dormouse.Core.Tests.Events;

public sealed class PartitionProgressTests
{
    [Fact]
    public void In_whatever_order_records_are_done_the_offset_moves_over_nothing_that_is_not()
    {
        Gen.Select(Gen.Int[1, 4].Array[1, 30], Gen.Int[0, int.MaxValue - 1].Array[30]).Sample((gaps, order) =>
        {
            var progress = new PartitionProgress();
            var offsets = new List<long>();
            foreach (var gap in gaps)
            {
                offsets.Add((offsets.Count == 0 ? 0 : offsets[^1]) + gap);
                progress.Given(offsets[^1]);
            }

            var open = new HashSet<long>(offsets);
            foreach (var offset in offsets.Zip(order).OrderBy(p => p.Second).Select(p => p.First).ToList())
            {
                var before = progress.Next;
                open.Remove(offset);
                var moved = progress.Done(offset);
                long? expected = offsets.TakeWhile(o => !open.Contains(o)).Select(o => (long?)(o + 1)).LastOrDefault();
                Assert.Equal(expected, progress.Next);
                Assert.Equal(before != expected, moved);
            }

            Assert.Equal(0, progress.Open);
        });
    }
}
