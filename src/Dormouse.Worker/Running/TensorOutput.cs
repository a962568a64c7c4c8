using Dormouse.Protocol.Inference;
using Dormouse.Protocol.Problems;
using Dormouse.Worker.Engine;
using Microsoft.ML.OnnxRuntime;

namespace Dormouse.Worker.Running;

/// <summary>A tensor of the engine as a tensor of the protocol, without copying numbers.</summary>
internal static class TensorOutput
{
    internal static unsafe OutputTensor Of(OrtValue value, OutputPlan.Tensor plan, string name, bool binary)
    {
        var info = value.GetTensorTypeAndShape();
        if (plan.Datatype == Datatype.Bytes)
        {
            return new OutputTensor { Name = name, Datatype = Datatype.Bytes, Shape = info.Shape, Strings = Texts(value, info.ElementCount), Binary = binary };
        }

        // Above this the span below would overflow; an answer of that size could not be sent in one piece either.
        var bytes = (Int128)info.ElementCount * plan.Datatype.ElementSize();
        if (bytes > int.MaxValue)
        {
            throw new InferenceException(ProblemCode.MemoryExceeded, $"Output '{name}' has {bytes} bytes; an answer can have at most {int.MaxValue}. Ask for other outputs or send a smaller input.");
        }

        var data = ReadOnlyMemory<byte>.Empty;
        if (bytes > 0)
        {
            var span = value.GetTensorMutableRawData();
            fixed (byte* start = span)
            {
                data = new NativeMemoryView(start, span.Length).Memory; // Native memory: it does not move when the pin ends.
            }
        }

        return new OutputTensor { Name = name, Datatype = plan.Datatype, Shape = info.Shape, Data = data, Binary = binary };
    }

    internal static TensorBytes Texts(OrtValue value, long count)
    {
        var builder = new TensorBytesBuilder(checked((int)count));
        for (var i = 0; i < count; i++)
        {
            builder.Add(value.GetStringElementAsSpan(i));
        }

        return builder.Build();
    }
}
