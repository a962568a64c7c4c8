using System.Collections.Immutable;
using System.Text;
using CsCheck;
using Dormouse.Core.Secrets;

namespace Dormouse.Core.Tests.Secrets;

public sealed class SecretMaskTests
{
    private static readonly Gen<string> Values = Gen.Char["abcdef01+/ "].Array[6, 24].Select(c => new string(c).Trim()).Where(v => v.Length >= SecretMask.LengthMin);

    [Theory]
    [InlineData("token is hunter2hunter2.", "token is ***.")]
    [InlineData("hunter2hunter2hunter2hunter2", "***")]
    [InlineData("nothing here", "nothing here")]
    [InlineData("aHVudGVyMmh1bnRlcjI= and aHVudGVyMmh1bnRlcjI", "***= and ***")]
    [InlineData("hunter2hunter", "hunter2hunter")]
    public void A_value_and_its_base64_are_replaced(string text, string expected) => Assert.Equal(expected, Mask("hunter2hunter2").Apply(text));

    [Fact]
    public void Lines_of_a_value_are_replaced_one_by_one_and_short_ones_stay()
    {
        var mask = Mask("-----BEGIN-----\n  inner-line  \nabc\n-----END-----\n");

        Assert.Equal("*** | *** | abc | ***", mask.Apply("-----BEGIN----- | inner-line | abc | -----END-----"));
        Assert.Null(SecretMask.Of([[.. "short"u8]]));
        Assert.Null(SecretMask.Of([]));
    }

    [Fact]
    public void Values_that_overlap_leave_nothing_between_them()
    {
        var mask = SecretMask.Of([[.. "abcdefgh"u8], [.. "efghijkl"u8]]);

        Assert.Equal("x***y", mask!.Apply("xabcdefghijkly"));
    }

    [Fact]
    public void A_text_that_was_cut_shows_no_part_of_a_value_of_six_characters_or_more()
    {
        var mask = Mask("hunter2hunter2");

        Assert.Equal("a line with ***", mask.Apply("a line with hunter2hu", endsCut: true));
        Assert.Equal("*** goes on", mask.Apply("2hunter2 goes on", beginsCut: true));
        Assert.Equal("ends in hunte", mask.Apply("ends in hunte", endsCut: true));
    }

    [Fact]
    public void Whatever_the_text_and_the_values_none_of_them_stays()
    {
        Gen.Select(Values.Array[1, 4], Gen.Char["abcdef01+/ x"].Array[0, 20].Select(c => new string(c)).Array[5]).Sample(
            (values, between) =>
            {
                var text = new StringBuilder();
                for (var i = 0; i < between.Length; i++)
                {
                    text.Append(between[i]).Append(i % 2 == 0 ? values[i % values.Length] : Convert.ToBase64String(Encoding.UTF8.GetBytes(values[i % values.Length])));
                }

                var masked = SecretMask.Of(values.Select(v => Encoding.UTF8.GetBytes(v).ToImmutableArray()))!.Apply(text.ToString());

                return values.All(v => !masked.Contains(v, StringComparison.Ordinal) && !masked.Contains(Convert.ToBase64String(Encoding.UTF8.GetBytes(v)).TrimEnd('='), StringComparison.Ordinal));
            },
            iter: 2_000);
    }

    private static SecretMask Mask(string value) => SecretMask.Of([[.. Encoding.UTF8.GetBytes(value)]])!;
}
