namespace Dormouse.EndToEnd.Tests.Inference;

internal static class TensorAssert
{
    /// <summary>Every element within |a − b| ≤ atol + rtol·|b|; NaN equals NaN, infinities equal themselves.</summary>
    public static void Close(Tensor expected, Tensor actual, double relative, double absolute)
    {
        Assert.Equal(expected.Datatype, actual.Datatype);
        Assert.Equal(expected.Shape, actual.Shape);
        if (expected.Texts is not null)
        {
            Assert.Equal(expected.Texts, actual.Texts);
            return;
        }

        Close(expected.Doubles(), actual.Doubles(), relative, absolute, expected.Name);
    }

    public static void Close(double[] expected, double[] actual, double relative, double absolute, string name)
    {
        Assert.Equal(expected.Length, actual.Length);
        for (var i = 0; i < expected.Length; i++)
        {
            var (b, a) = (expected[i], actual[i]);
            var isClose = a.Equals(b) || Math.Abs(a - b) <= absolute + (relative * Math.Abs(b));
            Assert.True(isClose, $"{name}[{i}] is {a:R}; expected {b:R} (relative {relative}, absolute {absolute}).");
        }
    }
}
