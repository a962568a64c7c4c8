using Dormouse.Core.Endpoints;
using Dormouse.Core.Packages;

namespace Dormouse.Core.Tests.Endpoints;

public sealed class TrafficRulesTests
{
    private static readonly Revision[] Revisions =
        [Make(1, RevisionState.Ready), Make(2, RevisionState.Failed), Make(3, RevisionState.Ready), Make(4, RevisionState.Verifying)];

    [Theory]
    [InlineData("r3=90", 3, 90)]
    [InlineData("r1=0", 1, 0)]
    [InlineData("r2147483647=100", int.MaxValue, 100)]
    public void A_share_is_a_revision_and_its_per_cent(string text, int revision, int weight)
    {
        Assert.Null(TrafficRules.Parse(text, out var share));
        Assert.Equal(new TrafficShare(revision, weight), share);
    }

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    [InlineData("r3")]
    [InlineData("3=90")]
    [InlineData("r=90")]
    [InlineData("r0=90")]
    [InlineData("r03=90")]
    [InlineData("r-3=90")]
    [InlineData("R3=90")]
    [InlineData("r3=")]
    [InlineData("r3=101")]
    [InlineData("r3=-1")]
    [InlineData("r3=9.5")]
    [InlineData("r3=90%")]
    [InlineData("r3= 90")]
    [InlineData("r99999999999=1")]
    public void Another_form_is_refused_with_a_sentence(string? text) => Assert.NotNull(TrafficRules.Parse(text, out _));

    [Fact]
    public void Shares_that_sum_to_a_hundred_are_accepted_in_order_of_revision_without_zeros()
    {
        var outcome = TrafficRules.Check([new(3, 90), new(2, 0), new(1, 10)], Revisions);

        Assert.Equal([new(1, 10), new(3, 90)], Assert.IsType<TrafficOutcome.Accepted>(outcome).Shares);
    }

    [Fact]
    public void A_revision_that_is_not_there_is_refused_with_a_weight_of_0_too()
    {
        var outcome = TrafficRules.Check([new(1, 100), new(9, 0)], Revisions);

        Assert.Equal(["There is no revision r9; there are r4, r3, r2, r1."], Assert.IsType<TrafficOutcome.Refused>(outcome).Errors);
    }

    [Fact]
    public void All_errors_are_told_at_once()
    {
        var outcome = TrafficRules.Check([new(1, 50), new(1, 10), new(2, 10), new(4, 10), new(9, 10), new(3, 101)], Revisions);

        Assert.Equal(
            [
                "Revision r1 is named twice.",
                "Revision r2 failed verifying (no model); it cannot carry traffic.",
                "Revision r4 is still being verified; wait until it is ready.",
                "There is no revision r9; there are r4, r3, r2, r1.",
                "The weight of r3 is 101; allowed are 0 to 100.",
                "The weights sum to 191; they must sum to 100.",
            ],
            Assert.IsType<TrafficOutcome.Refused>(outcome).Errors);
    }

    [Fact]
    public void No_share_at_all_is_refused() =>
        Assert.Equal(["The weights sum to 0; they must sum to 100."], Assert.IsType<TrafficOutcome.Refused>(TrafficRules.Check([], Revisions)).Errors);

    private static Revision Make(int number, RevisionState state) => new()
    {
        Id = new RevisionId(default, number),
        Tenant = TenantId.Default,
        State = state,
        Package = new Package([]),
        Spec = new RevisionSpec { Runtime = "onnx" },
        Failure = state == RevisionState.Failed ? "no model" : null,
        CreatedAt = DateTimeOffset.UnixEpoch,
    };
}
