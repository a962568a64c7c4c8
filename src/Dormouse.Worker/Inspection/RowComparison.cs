using System.Globalization;
using Dormouse.Protocol.Inference;
using Dormouse.Worker.Running;

namespace Dormouse.Worker.Inspection;

/// <summary>Compares an output of a run of two rows with those of two runs of one row each.</summary>
internal static class RowComparison
{
    /// <summary>
    /// The engine may add in another order when there are more rows. So numbers may be apart by this share of the largest in their row, and this much; half precision by
    /// a hundredth; whole numbers and texts must be the same.
    /// </summary>
    private const double Relative = 1e-4;

    private const double RelativeOfHalf = 1e-2;
    private const double Absolute = 1e-5;

    /// <summary>What is different in plain words; null when nothing is.</summary>
    internal static string? Difference(OutputTensor one, OutputTensor other, OutputTensor both)
    {
        if (one.Shape is not [1, .. var tail] || !other.Shape.AsSpan().SequenceEqual(one.Shape) || !both.Shape.AsSpan().SequenceEqual([2, .. tail]))
        {
            return $"its outputs do not have the inputs' rows: '{both.Name}' is {Text(both.Shape)} for two rows, and {Text(one.Shape)} and {Text(other.Shape)} for one.";
        }

        return DifferenceInRow(one, both, 0) ?? DifferenceInRow(other, both, 1);
    }

    private static string? DifferenceInRow(OutputTensor single, OutputTensor both, int row)
    {
        if (both.Strings is { } texts)
        {
            var count = single.Strings?.Count ?? 0;
            for (var i = 0; i < count; i++)
            {
                if (!single.Strings![i].SequenceEqual(texts[(row * count) + i]))
                {
                    return $"rows depend on each other: '{both.Name}' of a row is another text when another row is beside it.";
                }
            }

            return null;
        }

        var (alone, together) = (TensorNumbers.Of(single) ?? [], TensorNumbers.Of(both) ?? []);
        var share = both.Datatype switch
        {
            Datatype.Fp32 or Datatype.Fp64 => Relative,
            Datatype.Fp16 or Datatype.Bf16 => RelativeOfHalf,
            _ => 0,
        };
        var allowed = share == 0 ? 0 : Absolute + (share * alone.Where(double.IsFinite).Select(Math.Abs).DefaultIfEmpty().Max());
        for (var i = 0; i < alone.Length; i++)
        {
            var (expected, actual) = (alone[i], together[(row * alone.Length) + i]);
            if (!expected.Equals(actual) && !(Math.Abs(expected - actual) <= allowed))
            {
                return string.Create(
                    CultureInfo.InvariantCulture, $"rows depend on each other: '{both.Name}' of a row is {expected} alone and {actual} when another row is beside it.");
            }
        }

        return null;
    }

    private static string Text(long[] shape) => $"[{string.Join(',', shape)}]";
}
