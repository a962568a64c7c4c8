using Dormouse.Core.Endpoints;
using Dormouse.Core.Overflow;

namespace Dormouse.Core.Tests.Overflow;

public sealed class OverflowRulesTests
{
    [Fact]
    public void An_address_alone_is_enough_and_describes_itself()
    {
        var spec = Assert.IsType<SpecOutcome.Accepted>(Apply(new OverflowWishes("https://other:8080"))).Spec;

        Assert.Equal(new OverflowPolicy("https://other:8080", 20, null, null), spec.Overflow);
        Assert.Equal("other:8080", spec.Overflow?.Host);
        Assert.Equal(new OverflowWishes("https://other:8080", 20), SpecRules.Describe(spec).Overflow);
        Assert.Null(Assert.IsType<SpecOutcome.Accepted>(Apply(null)).Spec.Overflow);
    }

    [Theory]
    [InlineData("overflow.url is missing", null)]
    [InlineData("overflow.url is 'other:8080'", "other:8080")]
    [InlineData("overflow.url is 'ftp://other'", "ftp://other")]
    [InlineData("without user, query and fragment", "https://me:secret@other")]
    [InlineData("without user, query and fragment", "https://other/?key=secret")]
    [InlineData("overflow.max is 0; allowed are 1 to 1000", "https://other", 0)]
    [InlineData("overflow.key_file is '../admin-key'", "https://other", 1, "../admin-key")]
    [InlineData("overflow.key_file is '.hidden'", "https://other", 1, ".hidden")]
    [InlineData("overflow.key_env is 'DORMOUSE_ADMIN_KEY'", "https://other", 1, null, "DORMOUSE_ADMIN_KEY")]
    [InlineData("overflow.key_file is 'a' and overflow.key_env is set, too", "https://other", 1, "a", "DORMOUSE_OVERFLOW_KEY_A")]
    public void What_is_not_allowed_is_named_with_what_is(string message, string? url, int? max = null, string? file = null, string? variable = null)
    {
        var refused = Assert.IsType<SpecOutcome.Refused>(Apply(new OverflowWishes(url, max, file, variable)));

        Assert.Contains(message, Assert.Single(refused.Errors).Message, StringComparison.Ordinal);
    }

    private static SpecOutcome Apply(OverflowWishes? wishes) => SpecRules.Apply(new RevisionWishes { Overflow = wishes }, new MachineFacts(4, 4096));
}
