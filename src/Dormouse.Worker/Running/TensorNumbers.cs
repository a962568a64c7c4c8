using System.Runtime.InteropServices;
using Dormouse.Protocol.Inference;

namespace Dormouse.Worker.Running;

/// <summary>The elements of a tensor as numbers.</summary>
internal static class TensorNumbers
{
    /// <summary>Row-major; integers above 2^53 are rounded. Null for BYTES.</summary>
    internal static double[]? Of(OutputTensor tensor)
    {
        var data = tensor.Data.Span;
        return tensor.Datatype switch
        {
            Datatype.Bool or Datatype.Uint8 => Map<byte>(data, static v => v),
            Datatype.Int8 => Map<sbyte>(data, static v => v),
            Datatype.Uint16 => Map<ushort>(data, static v => v),
            Datatype.Int16 => Map<short>(data, static v => v),
            Datatype.Uint32 => Map<uint>(data, static v => v),
            Datatype.Int32 => Map<int>(data, static v => v),
            Datatype.Uint64 => Map<ulong>(data, static v => v),
            Datatype.Int64 => Map<long>(data, static v => v),
            Datatype.Fp16 => Map<Half>(data, static v => (double)v),
            Datatype.Bf16 => Map<ushort>(data, static v => BitConverter.UInt32BitsToSingle((uint)v << 16)),
            Datatype.Fp32 => Map<float>(data, static v => v),
            Datatype.Fp64 => Map<double>(data, static v => v),
            _ => null,
        };
    }

    private static double[] Map<T>(ReadOnlySpan<byte> data, Func<T, double> convert)
        where T : unmanaged
    {
        var typed = MemoryMarshal.Cast<byte, T>(data);
        var values = new double[typed.Length];
        for (var i = 0; i < typed.Length; i++)
        {
            values[i] = convert(typed[i]);
        }

        return values;
    }
}
