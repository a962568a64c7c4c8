using Dormouse.Core.Endpoints;

namespace Dormouse.Core.Tests.Endpoints;

public sealed class EndpointNameTests
{
    [Theory]
    [InlineData("Digits")]
    [InlineData("-a")]
    [InlineData("a-")]
    [InlineData("models")]
    public void A_refused_name_is_repeated(string name) =>
        Assert.Contains($"'{name}'", EndpointName.Refusal(name), StringComparison.Ordinal);

    [Fact]
    public void A_long_name_is_shown_cut_and_without_control_characters()
    {
        Assert.Contains($"'{new string('a', 60)}…' has 64 characters", EndpointName.Refusal(new string('a', 64)), StringComparison.Ordinal);
        Assert.Contains("'a?b' may hold only a-z, 0-9 and '-'; it holds U+001B", EndpointName.Refusal("a\u001bb"), StringComparison.Ordinal);
    }
}
