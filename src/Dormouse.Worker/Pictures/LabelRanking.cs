using System.Buffers.Binary;
using System.Collections.Immutable;
using System.Globalization;
using Dormouse.Protocol.Inference;
using Dormouse.Protocol.Signatures;

namespace Dormouse.Worker.Pictures;

/// <summary>The best classes of one row of scores. Equal scores go by class number; NaN is worst.</summary>
internal static class LabelRanking
{
    public static bool Takes(string datatype) =>
        Datatypes.TryParse(datatype, out var parsed) && parsed is not (Datatype.Bytes or Datatype.Bool);

    /// <param name="scores">Numbers of any shape, taken as one row: a picture is a batch of one.</param>
    /// <param name="labels">Label of class i; classes beyond it are called by their number.</param>
    public static ImmutableArray<LabelScore> Rank(OutputTensor scores, LabelsOutput rule, ImmutableArray<string> labels)
    {
        var values = Values(scores);
        if (rule.Softmax)
        {
            Softmax(values);
        }

        var order = Enumerable.Range(0, values.Length)
            .OrderByDescending(i => double.IsNaN(values[i]) ? double.NegativeInfinity : values[i])
            .ThenBy(i => i)
            .Take(rule.Top);
        return [.. order.Select(i => new LabelScore(i < labels.Length ? labels[i] : i.ToString(CultureInfo.InvariantCulture), i, Finite(values[i])))];
    }

    /// <summary>e^(x − max) ÷ Σ e^(x − max), so that large logits do not overflow.</summary>
    private static void Softmax(double[] values)
    {
        var max = values.Where(double.IsFinite).DefaultIfEmpty(0).Max();
        var total = 0.0;
        for (var i = 0; i < values.Length; i++)
        {
            values[i] = Math.Exp(values[i] - max);
            total += double.IsNaN(values[i]) ? 0 : values[i];
        }

        for (var i = 0; i < values.Length; i++)
        {
            values[i] /= total;
        }
    }

    /// <summary>JSON has no NaN or infinity: they are answered as 0 and the largest numbers.</summary>
    private static double Finite(double value) => double.IsNaN(value) ? 0 : Math.Clamp(value, double.MinValue, double.MaxValue);

    private static double[] Values(OutputTensor tensor)
    {
        var size = tensor.Datatype.ElementSize();
        var bytes = tensor.Data.Span;
        var values = new double[bytes.Length / size];
        for (var i = 0; i < values.Length; i++)
        {
            var at = bytes.Slice(i * size, size);
            values[i] = tensor.Datatype switch
            {
                Datatype.Fp32 => BinaryPrimitives.ReadSingleLittleEndian(at),
                Datatype.Fp64 => BinaryPrimitives.ReadDoubleLittleEndian(at),
                Datatype.Fp16 => (double)BinaryPrimitives.ReadHalfLittleEndian(at),
                Datatype.Bf16 => BitConverter.UInt32BitsToSingle((uint)BinaryPrimitives.ReadUInt16LittleEndian(at) << 16),
                Datatype.Uint8 => at[0],
                Datatype.Int8 => (sbyte)at[0],
                Datatype.Uint16 => BinaryPrimitives.ReadUInt16LittleEndian(at),
                Datatype.Int16 => BinaryPrimitives.ReadInt16LittleEndian(at),
                Datatype.Uint32 => BinaryPrimitives.ReadUInt32LittleEndian(at),
                Datatype.Int32 => BinaryPrimitives.ReadInt32LittleEndian(at),
                Datatype.Uint64 => BinaryPrimitives.ReadUInt64LittleEndian(at),
                Datatype.Int64 => BinaryPrimitives.ReadInt64LittleEndian(at),
                _ => throw new InvalidOperationException($"{tensor.Datatype} is no number."),
            };
        }

        return values;
    }
}
