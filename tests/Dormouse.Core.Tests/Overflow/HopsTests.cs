using Dormouse.Core.Overflow;

namespace Dormouse.Core.Tests.Overflow;

public sealed class HopsTests
{
    private static readonly Guid Here = new("019a0000-0000-7000-8000-000000000001");

    [Fact]
    public void Each_server_adds_itself_and_the_third_hop_is_the_last()
    {
        string? header = null;
        for (var i = 0; i < Hops.Most; i++)
        {
            Assert.Equal(HopsFault.None, Hops.Read(header, Here, out var hops));
            Assert.True(hops.MayGoOn);
            header = hops.Then(Other(i));
        }

        Assert.Equal(HopsFault.None, Hops.Read(header, Here, out var last));
        Assert.False(last.MayGoOn);
        Assert.Equal(HopsFault.TooFar, Hops.Read(last.Then(Other(9)), Here, out _));
    }

    [Fact]
    public void What_comes_back_is_refused()
    {
        Assert.Equal(HopsFault.None, Hops.Read(null, Here, out var hops));

        Assert.Equal(HopsFault.Loop, Hops.Read(hops.Then(Here), Here, out _));
    }

    [Theory]
    [InlineData("here")]
    [InlineData(",")]
    [InlineData("019a0000000070008000000000000001")]
    public void A_header_that_names_no_servers_is_refused(string header) =>
        Assert.Equal(HopsFault.Unreadable, Hops.Read(header, Here, out _));

    private static Guid Other(int number) => new(number, 7, 7, 0, 0, 0, 0, 0, 0, 0, 0);
}
