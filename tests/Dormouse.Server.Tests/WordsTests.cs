using Dormouse.Core.Dispatch;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Instances;
using Dormouse.Core.Usage;
using Dormouse.Server.Hosting.Connections;

namespace Dormouse.Server.Tests;

public sealed class WordsTests
{
    [Fact]
    public void Every_choice_has_one_word_of_its_own()
    {
        Check<Outcome>(Words.Of);
        Check<StartKind>(Words.Of);
        Check<StartCause>(Words.Of);
        Check<Rung>(Words.Of);
        Check<StopReason>(Words.Of);
        Check<RevisionState>(Words.Of);
        Check<InstanceState>(Words.Of);
        Check<StartFailureKind>(Words.Of);
        Check<InstanceLossKind>(Words.Of);
        Check<ConnectionBound>(Words.Of);
    }

    private static void Check<T>(Func<T, string> word)
        where T : struct, Enum
    {
        var words = Enum.GetValues<T>().Select(word).ToList();

        Assert.Equal(words.Count, words.Distinct(StringComparer.Ordinal).Count());
        Assert.All(words, w => Assert.Matches("^[a-z_]+$", w));
    }
}
