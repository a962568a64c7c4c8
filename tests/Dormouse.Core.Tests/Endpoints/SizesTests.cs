using CsCheck;
using Dormouse.Core.Endpoints;

namespace Dormouse.Core.Tests.Endpoints;

public sealed class SizesTests
{
    [Theory]
    [InlineData("0", 0)]
    [InlineData("1024", 1024)]
    [InlineData("512MiB", 512L << 20)]
    [InlineData("1GiB", 1L << 30)]
    [InlineData("256MB", 256_000_000)]
    [InlineData("64kb", 64_000)]
    [InlineData("64Ki", 64L << 10)]
    [InlineData("1.5GiB", 3L << 29)]
    [InlineData("7TiB", 7L << 40)]
    [InlineData("7B", 7)]
    public void A_number_with_a_unit_is_a_size(string text, long bytes)
    {
        Assert.True(Sizes.TryParse(text, out var read));
        Assert.Equal(bytes, read);
    }

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    [InlineData("MiB")]
    [InlineData("-1MiB")]
    [InlineData("1 MiB")]
    [InlineData("512M")]
    [InlineData("1PiB")]
    [InlineData("1MiBs")]
    [InlineData("0.5B")]
    [InlineData("99999999TiB")]
    [InlineData("1e3")]
    public void Another_form_is_refused(string? text)
    {
        Assert.False(Sizes.TryParse(text, out var bytes));
        Assert.Equal(0, bytes);
    }

    [Theory]
    [InlineData(0, "0B")]
    [InlineData(1000, "1000B")]
    [InlineData(64L << 10, "64KiB")]
    [InlineData(1536L << 20, "1536MiB")]
    [InlineData(2L << 30, "2GiB")]
    public void A_size_is_written_in_the_largest_unit_that_divides_it(long bytes, string text) => Assert.Equal(text, Sizes.Format(bytes));

    [Fact]
    public void Every_size_is_read_back() =>
        Gen.Select(Gen.Long[0, long.MaxValue], Gen.Int[0, 50], (bits, shift) => bits >> shift << (shift / 2)).Sample(bytes =>
            Assert.True(Sizes.TryParse(Sizes.Format(bytes), out var read) && read == bytes));
}
