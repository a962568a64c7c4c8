using CsCheck;
using Dormouse.Core.Events;

namespace Dormouse.Core.Tests.Events;

/// <summary>How far a bucket was read.</summary>
public sealed class ObjectMarkTests
{
    private static readonly DateTimeOffset Noon = new(2026, 11, 28, 12, 0, 0, TimeSpan.Zero);

    private static readonly TimeSpan Overlap = TimeSpan.FromMinutes(2);

    [Fact]
    public void A_late_object_is_new_within_the_overlap_and_not_before_it()
    {
        var mark = new ObjectMark();
        mark.Done(At("a", 0));
        mark.Settle(Noon, Overlap);

        Assert.False(mark.IsNew(At("a", 0)));
        Assert.True(mark.IsNew(At("b", 0)));
        Assert.True(mark.IsNew(At("b", -119)));
        Assert.False(mark.IsNew(At("b", -120)));
        Assert.True(mark.IsNew(new ObjectStamp("a", "other", Noon)));
    }

    [Fact]
    public void What_is_written_is_what_is_read()
    {
        var mark = new ObjectMark();
        for (var second = -300; second <= 0; second++)
        {
            mark.Done(At($"k{second}", second));
        }

        mark.Settle(Noon, Overlap);
        var read = ObjectMark.Parse(mark.ToString());

        Assert.Equal((mark.Low, 120), (read.Low, read.SeenCount));
        Assert.Equal(mark.ToString(), read.ToString());
    }

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    [InlineData("nothing")]
    [InlineData("9999999999999999999:")]
    [InlineData("7:!")]
    public void What_cannot_be_read_is_the_beginning(string? text) => Assert.Equal(DateTimeOffset.UnixEpoch, ObjectMark.Parse(text).Low);

    [Fact]
    public void What_is_known_by_itself_is_bounded_but_never_so_that_the_youngest_are_lost()
    {
        var mark = new ObjectMark();
        for (var index = 0; index < ObjectMark.SeenMax + 1_000; index++)
        {
            mark.Done(At($"k{index}", index < 500 ? -60 : 0));
        }

        mark.Settle(Noon, Overlap);

        Assert.Equal(ObjectMark.SeenMax + 500, mark.SeenCount);
        Assert.True(mark.IsNew(At("another", 0)));
        Assert.False(mark.IsNew(At("another", -60)));
    }

    /// <summary>Objects appear in any order within the overlap, the reader is interrupted and begins anew from what it stored: each is given once.</summary>
    [Fact]
    public void Each_object_is_given_once() => Gen.Select(Gen.Int[0, 100].Array[1, 60], Gen.Int[1, 8], Gen.Int).Sample((seconds, looks, seed) =>
    {
        var random = new Random(seed);
        var objects = seconds.Select((s, i) => (Stamp: At($"k{i}", s), Appears: s + random.Next(0, 100))).ToList();
        var given = new List<ObjectStamp>();
        var text = (string?)null;
        for (var look = 0; look <= looks; look++)
        {
            var now = look == looks ? 1_000 : 200 * look / looks;
            var mark = ObjectMark.Parse(text);
            var listed = objects.Where(o => o.Appears <= now).Select(o => o.Stamp).ToList();
            foreach (var fresh in listed.Where(mark.IsNew).ToList())
            {
                given.Add(fresh);
                mark.Done(fresh);
            }

            if (listed.Count > 0)
            {
                mark.Settle(listed.Max(o => o.Time), Overlap);
                text = mark.ToString();
            }
        }

        Assert.Equal(objects.Select(o => o.Stamp.Key).Order(), given.Select(o => o.Key).Order());
    });

    private static ObjectStamp At(string key, int seconds) => new(key, "e", Noon.AddSeconds(seconds));
}
