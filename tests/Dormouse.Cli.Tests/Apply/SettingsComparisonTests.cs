using Dormouse.Cli.Apply;
using Dormouse.Protocol.Control;

namespace Dormouse.Cli.Tests.Apply;

public sealed class SettingsComparisonTests
{
    [Theory]
    [InlineData("word.py", true)] // Its only function was found at the deploy.
    [InlineData("word.py::handler", true)]
    [InlineData("word.py::other", false)]
    [InlineData("words.py", false)]
    public void A_file_alone_is_as_good_as_its_function(string wanted, bool isSame)
    {
        var differences = SettingsComparison.Differences(
            new RevisionSettings { Runtime = "python", Handler = wanted }, null, new RevisionSettings { Runtime = "python", Handler = "word.py::handler" });

        Assert.Equal(isSame ? [] : [$"handler: word.py::handler → {wanted}"], differences);
    }
}
