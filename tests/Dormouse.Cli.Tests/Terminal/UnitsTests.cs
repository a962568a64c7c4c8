using CsCheck;
using Dormouse.Cli.Terminal;
using Dormouse.Protocol.Inference;

namespace Dormouse.Cli.Tests.Terminal;

public sealed class UnitsTests
{
    [Theory]
    [InlineData(0, "0 B")]
    [InlineData(999, "999 B")]
    [InlineData(1_000, "1.0 KB")]
    [InlineData(31_000, "31 KB")]
    [InlineData(999_499, "999 KB")]
    [InlineData(999_500, "1.0 MB")]
    [InlineData(14_200_000, "14 MB")]
    [InlineData(5_000_000_000_000_000, "5000 TB")]
    public void Bytes_are_short(long bytes, string expected) => Assert.Equal(expected, Units.Bytes(bytes));

    [Theory]
    [InlineData(0, "0.0")]
    [InlineData(0.04, "0.04")]
    [InlineData(0.3, "0.3")]
    [InlineData(99.94, "99.9")]
    [InlineData(123.4, "123")]
    public void Milliseconds_keep_what_matters(double ms, string expected) => Assert.Equal(expected, Units.Milliseconds(ms));

    [Fact]
    public void Tensors_read_as_in_other_tools() =>
        Assert.Equal("ids int64[n,8]", Units.Tensor(new TensorInfo("ids", "INT64", [-1, 8])));

    [Fact]
    public void Distance_is_symmetric_and_zero_only_for_equal_words() =>
        Gen.Select(Gen.String[Gen.Char['a', 'd'], 0, 8], Gen.String[Gen.Char['a', 'd'], 0, 8]).Sample((a, b) =>
        {
            var distance = Suggestions.Distance(a, b);
            Assert.Equal(distance, Suggestions.Distance(b, a));
            Assert.Equal(a == b, distance == 0);
            Assert.InRange(distance, Math.Abs(a.Length - b.Length), Math.Max(a.Length, b.Length));
        });

    [Theory]
    [InlineData("memroy", "memory")]
    [InlineData("--ouput", "--output")]
    [InlineData("xyz", null)]
    public void The_nearest_word_is_suggested_only_when_it_is_near(string word, string? expected) =>
        Assert.Equal(expected, Suggestions.Nearest(word, ["memory", "--output", "cpu"]));
}
