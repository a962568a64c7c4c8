using Dormouse.Core.Dispatch;

namespace Dormouse.Core.Tests.Dispatch;

public sealed class AttemptsTests
{
    private static readonly TimeSpan Timeout = TimeSpan.FromSeconds(60);

    [Theory]
    [InlineData(1, 0, true)]
    [InlineData(2, 0, false)]
    [InlineData(0, 4, true)]
    [InlineData(0, 5, false)]
    [InlineData(1, 3, true)]
    [InlineData(1, 4, false)]
    [InlineData(2, 1, false)]
    public void A_crash_is_tried_once_more_and_a_kill_up_to_five_times(int crashed, int interrupted, bool expected) =>
        Assert.Equal(expected, new Attempts(crashed, interrupted).MayFollow(TimeSpan.Zero, Timeout));

    [Fact]
    public void Only_the_first_retry_is_free_of_the_queues_time_limit()
    {
        Assert.True(new Attempts(0, 1).MayFollow(Timeout, Timeout));
        Assert.False(new Attempts(0, 2).MayFollow(Timeout, Timeout));
    }

    [Fact]
    public void Attempts_are_counted_by_how_they_ended() =>
        Assert.Equal(new Attempts(1, 2), default(Attempts).With(wasInterrupted: true).With(wasInterrupted: false).With(wasInterrupted: true));
}
