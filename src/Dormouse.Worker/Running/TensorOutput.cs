using Dormouse.Protocol.Inference;
using Dormouse.Protocol.Problems;
using Dormouse.Worker.Engine;
using Microsoft.ML.OnnxRuntime;

namespace Dormouse.Worker.Running;

/// <summary>A tensor of the engine as a tensor of the protocol, without copying numbers.</summary>
internal static class TensorOutput
{
    /// <param name="rows">The rows to take of its first dimension; null = all.</param>
    internal static unsafe OutputTensor Of(OrtValue value, OutputPlan.Tensor plan, string name, bool binary, RowRange? rows = null)
    {
        var info = value.GetTensorTypeAndShape();
        var shape = info.Shape;
        var (first, count) = (0L, info.ElementCount);
        if (rows is { } own)
        {
            var each = info.ElementCount / own.All;
            (first, count) = (each * own.First, each * own.Count);
            shape[0] = own.Count;
        }

        if (plan.Datatype == Datatype.Bytes)
        {
            return new OutputTensor { Name = name, Datatype = Datatype.Bytes, Shape = shape, Strings = Texts(value, first, count), Binary = binary };
        }

        // Above this the span below would overflow; an answer of that size could not be sent in one piece either.
        var bytes = (Int128)info.ElementCount * plan.Datatype.ElementSize();
        if (bytes > int.MaxValue)
        {
            throw new InferenceException(ProblemCode.MemoryExceeded, $"Output '{name}' has {bytes} bytes; an answer can have at most {int.MaxValue}. Ask for other outputs or send a smaller input.");
        }

        var data = ReadOnlyMemory<byte>.Empty;
        if (count > 0)
        {
            var span = value.GetTensorMutableRawData();
            fixed (byte* start = span)
            {
                var size = plan.Datatype.ElementSize();
                data = new NativeMemoryView(start + (first * size), (int)(count * size)).Memory; // Native memory: it does not move when the pin ends.
            }
        }

        return new OutputTensor { Name = name, Datatype = plan.Datatype, Shape = shape, Data = data, Binary = binary };
    }

    private static TensorBytes Texts(OrtValue value, long first, long count)
    {
        var builder = new TensorBytesBuilder(checked((int)count));
        for (var i = 0; i < count; i++)
        {
            builder.Add(value.GetStringElementAsSpan(checked((int)(first + i))));
        }

        return builder.Build();
    }
}
