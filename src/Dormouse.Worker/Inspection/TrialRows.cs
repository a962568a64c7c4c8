using System.Runtime.InteropServices;
using Dormouse.Protocol.Inference;

namespace Dormouse.Worker.Inspection;

/// <summary>Two made-up rows, one by one and together. Numbers are drawn from a fixed seed; whole numbers stay at 0 and 1 (bytes use their range), since they may be indices.</summary>
internal sealed class TrialRows : IDisposable
{
    private TrialRows()
    {
    }

    internal InferRequest One { get; } = new();

    internal InferRequest Other { get; } = new();

    internal InferRequest Both { get; } = new();

    /// <summary>Null when an input would have more elements than allowed.</summary>
    /// <param name="length">Of every variable dimension but the first.</param>
    internal static TrialRows? TryMake(ModelInterface model, int length, long elementsMax)
    {
        var random = new Random(1);
        var rows = new TrialRows();
        foreach (var input in model.Inputs)
        {
            long[] row = [1, .. input.Shape.Skip(1).Select(d => d < 0 ? length : d)];
            if (row.Aggregate(1.0, (product, d) => product * d) > elementsMax || !Datatypes.TryParse(input.Datatype, out var datatype))
            {
                return null;
            }

            var count = (int)row.Aggregate(1L, (product, d) => product * d);
            var (one, other) = (Drawn(count, datatype, random), Drawn(count, datatype, random));
            rows.One.Inputs.Add(Tensor(input.Name, datatype, row, one));
            rows.Other.Inputs.Add(Tensor(input.Name, datatype, row, other));
            rows.Both.Inputs.Add(Tensor(input.Name, datatype, [2, .. row.AsSpan(1)], [.. one, .. other]));
        }

        return rows;
    }

    public void Dispose()
    {
        One.Dispose();
        Other.Dispose();
        Both.Dispose();
    }

    private static double[] Drawn(int count, Datatype datatype, Random random)
    {
        var values = new double[count];
        for (var i = 0; i < count; i++)
        {
            values[i] = datatype switch
            {
                Datatype.Fp16 or Datatype.Bf16 or Datatype.Fp32 or Datatype.Fp64 => random.NextDouble(),
                Datatype.Uint8 => random.Next(256),
                Datatype.Int8 => random.Next(128),
                _ => random.Next(2),
            };
        }

        return values;
    }

    private static InputTensor Tensor(string name, Datatype datatype, long[] shape, double[] values) => datatype == Datatype.Bytes
        ? new InputTensor { Name = name, Datatype = datatype, Shape = shape, Strings = TensorBytes.FromStrings([.. values.Select(v => v == 0 ? "a" : "b")]) }
        : new InputTensor { Name = name, Datatype = datatype, Shape = shape, Data = Bytes(datatype, values) };

    private static byte[] Bytes(Datatype datatype, double[] values) => datatype switch
    {
        Datatype.Bool or Datatype.Uint8 or Datatype.Int8 => Array.ConvertAll(values, v => (byte)v),
        Datatype.Uint16 or Datatype.Int16 => Of(values, v => (ushort)v),
        Datatype.Uint32 or Datatype.Int32 => Of(values, v => (uint)v),
        Datatype.Uint64 or Datatype.Int64 => Of(values, v => (ulong)v),
        Datatype.Fp16 => Of(values, v => (Half)v),
        Datatype.Bf16 => Of(values, v => (ushort)(BitConverter.SingleToUInt32Bits((float)v) >> 16)),
        Datatype.Fp32 => Of(values, v => (float)v),
        _ => Of(values, v => v),
    };

    private static byte[] Of<T>(double[] values, Converter<double, T> convert)
        where T : unmanaged => MemoryMarshal.AsBytes<T>(Array.ConvertAll(values, convert)).ToArray();
}
