using System.Collections.Immutable;
using System.Globalization;
using System.Text;
using Dormouse.Protocol.Inference;
using Dormouse.Protocol.Problems;

namespace Dormouse.Worker.Running;

/// <summary>
/// The protocol's classification answer: the k best of each row as text <c>value:index[:label]</c>. With two or more dimensions the first is
/// the row and the rest is flattened; otherwise the whole tensor is one row. Of equal values the lower index comes first.
/// </summary>
internal static class Classification
{
    internal static OutputTensor Of(OutputTensor scores, int best, ImmutableArray<string> labels, bool binary)
    {
        if (best < 1)
        {
            throw new InferenceException(ProblemCode.InputInvalid, $"'classification' of output '{scores.Name}' is {best}; it must be at least 1.");
        }

        var values = TensorNumbers.Of(scores) ?? throw new InferenceException(ProblemCode.InputInvalid, $"Output '{scores.Name}' is BYTES; 'classification' needs numbers.");
        var hasRows = scores.Shape.Length > 1;
        var rows = hasRows ? checked((int)scores.Shape[0]) : 1;
        var columns = rows == 0 ? 0 : values.Length / rows;
        var shown = Math.Min(best, columns);
        var texts = new TensorBytesBuilder(rows * shown);
        for (var row = 0; row < rows; row++)
        {
            var line = values.AsSpan(row * columns, columns);
            foreach (var index in Best(line, shown))
            {
                var label = index < labels.Length ? ":" + labels[index] : "";
                texts.Add(Encoding.UTF8.GetBytes(string.Create(CultureInfo.InvariantCulture, $"{Text(line[index], scores.Datatype)}:{index}{label}")));
            }
        }

        return new OutputTensor
        {
            Name = scores.Name,
            Datatype = Datatype.Bytes,
            Shape = hasRows ? [rows, shown] : [shown],
            Strings = texts.Build(),
            Binary = binary,
        };
    }

    private static IEnumerable<int> Best(ReadOnlySpan<double> line, int count)
    {
        var keys = new (double Value, int Index)[line.Length];
        for (var i = 0; i < line.Length; i++)
        {
            keys[i] = (line[i], i);
        }

        // NaN compares below everything in .NET, so it comes last here.
        Array.Sort(keys, static (a, b) => b.Value.CompareTo(a.Value) is not 0 and var order ? order : a.Index.CompareTo(b.Index));
        return keys.Take(count).Select(k => k.Index);
    }

    private static string Text(double value, Datatype datatype) => datatype is Datatype.Fp32 or Datatype.Fp16 or Datatype.Bf16
        ? ((float)value).ToString(CultureInfo.InvariantCulture)
        : value.ToString(CultureInfo.InvariantCulture);
}
