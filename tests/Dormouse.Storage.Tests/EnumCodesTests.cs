namespace Dormouse.Storage.Tests;

public sealed class EnumCodesTests
{
    [Fact]
    public void Every_member_of_a_stored_enumeration_has_a_code_and_a_word_that_lead_back_to_it()
    {
        Check(Codes.Outcomes);
        Check(Codes.Starts);
        Check(Codes.Causes);
        Check(Codes.Rungs);
        Check(Codes.RungReasons);
        Check(Codes.RevisionStates);
        Check(Codes.CanaryStates);
        Check(Codes.QueueStates);
        Check(Codes.BatchStates);
        Check(Codes.BatchFormats);
        Check(Codes.BatchPlaces);
        Check(Codes.Priorities);
        Check(Codes.HandoverStates);
        Check(Codes.DeliveryStates);
        Check(Codes.DestinationForms);
        Check(Codes.SharedKinds);
        Check(Codes.Lines, mayBeZero: true);
    }

    [Fact]
    public void A_word_of_a_later_version_is_named()
    {
        var unknown = Assert.Throws<InvalidDataException>(() => Codes.Outcomes.Value("evaporated"));

        Assert.Contains("evaporated", unknown.Message, StringComparison.Ordinal);
    }

    private static void Check<T>(EnumCodes<T> codes, bool mayBeZero = false)
        where T : struct, Enum
    {
        foreach (var value in Enum.GetValues<T>())
        {
            Assert.True(mayBeZero || codes.Code(value) != 0);
            Assert.True(codes.TryValue(codes.Code(value), out var back));
            Assert.Equal(value, back);
            Assert.Equal(value, codes.Value(codes.Text(value)));
        }
    }
}
