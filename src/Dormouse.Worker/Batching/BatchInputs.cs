using Dormouse.Protocol.Inference;
using Dormouse.Protocol.Problems;

namespace Dormouse.Worker.Batching;

/// <summary>Inputs of several invocations as those of one, joined along the first dimension.</summary>
internal static class BatchInputs
{
    /// <summary>A request with memory of its own; its outputs are not set.</summary>
    /// <param name="items">Two or more that fit each other.</param>
    /// <param name="rows">Sum of their rows.</param>
    internal static InferRequest Join(IReadOnlyList<BatchItem> items, long rows)
    {
        var joined = new InferRequest();
        try
        {
            foreach (var input in items[0].Request.Inputs)
            {
                long[] shape = [rows, .. input.Shape.AsSpan(1)];
                joined.Inputs.Add(input.Datatype == Datatype.Bytes
                    ? new InputTensor { Name = input.Name, Datatype = input.Datatype, Shape = shape, Strings = Texts(items, input.Name) }
                    : new InputTensor { Name = input.Name, Datatype = input.Datatype, Shape = shape, Data = Numbers(items, input.Name, joined) });
            }

            return joined;
        }
        catch
        {
            joined.Dispose();
            throw;
        }
    }

    private static Memory<byte> Numbers(IReadOnlyList<BatchItem> items, string name, InferRequest owner)
    {
        var length = 0L;
        foreach (var item in items)
        {
            length += Of(item, name).Data.Length;
        }

        if (length > Array.MaxLength)
        {
            // The batch is then repeated one by one.
            throw new InferenceException(ProblemCode.MemoryExceeded, $"Input '{name}' of all rows together has {length} bytes.");
        }

        var memory = owner.Rent((int)length);
        var position = 0;
        foreach (var item in items)
        {
            var data = Of(item, name).Data;
            data.CopyTo(memory[position..]);
            position += data.Length;
        }

        return memory;
    }

    private static TensorBytes Texts(IReadOnlyList<BatchItem> items, string name)
    {
        var builder = new TensorBytesBuilder(items.Sum(item => Of(item, name).Strings?.Count ?? 0));
        foreach (var item in items)
        {
            var texts = Of(item, name).Strings ?? TensorBytes.Empty;
            for (var i = 0; i < texts.Count; i++)
            {
                builder.Add(texts[i]);
            }
        }

        return builder.Build();
    }

    private static InputTensor Of(BatchItem item, string name) =>
        item.Input(name) ?? throw new InvalidOperationException($"Input '{name}' is missing in an item of the batch.");
}
