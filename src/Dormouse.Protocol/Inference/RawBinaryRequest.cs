namespace Dormouse.Protocol.Inference;

/// <summary>
/// A body that is nothing but the tensor of the model's only input (<c>Inference-Header-Content-Length: 0</c>). Its shape follows from
/// the model and the length; every output is answered in binary.
/// </summary>
internal static class RawBinaryRequest
{
    public static void Read(ReadOnlySpan<byte> body, InputRoster roster, InferRequest request)
    {
        if (roster.Model.Inputs.Length != 1)
        {
            throw InputRoster.Invalid($"a raw binary request needs a model with exactly one input; model '{roster.ModelName}' has {roster.Model.Inputs.Length}: "
                + $"send JSON and set {DormouseHeaders.InferenceHeaderContentLength} to its length");
        }

        request.BinaryOutputDefault = true;
        var input = roster.Model.Inputs[0];
        var datatype = roster.ParseDatatype(input.Name, input.Datatype);
        if (datatype == Datatype.Bytes)
        {
            // The body is the one element, without a length before it.
            var shape = ShapeOfOne(input, roster);
            var element = new byte[body.Length];
            body.CopyTo(element);
            request.Inputs.Add(roster.Admit(input.Name, datatype, shape).WithStrings(new TensorBytes(element, new[] { 0, body.Length })));
            return;
        }

        var draft = roster.Admit(input.Name, datatype, Deduce(input, datatype, body.Length, roster));
        request.Inputs.Add(BinaryTensors.Read(body, draft, roster, request));
    }

    /// <summary>The one variable dimension follows from the length. With two of them the first is the batch, and that is 1.</summary>
    private static long[] Deduce(TensorInfo input, Datatype datatype, int length, InputRoster roster)
    {
        long[] shape = [.. input.Shape];
        if (shape.Length > 1 && shape[0] < 0 && shape.AsSpan(1).IndexOfAnyInRange(long.MinValue, -1) >= 0) shape[0] = 1;
        var variable = Array.FindIndex(shape, d => d < 0);
        if (variable < 0) return shape;
        if (Array.FindLastIndex(shape, d => d < 0) != variable)
        {
            throw InputRoster.Invalid($"the shape of a raw binary request cannot be deduced: input '{input.Name}' of model '{roster.ModelName}' is "
                + $"{Excerpt.Shape(input.Shape.AsSpan())}, at most one dimension beside the batch may vary; send JSON and a shape");
        }

        UInt128 known = (UInt128)(uint)datatype.ElementSize();
        for (var i = 0; i < shape.Length; i++)
        {
            // Beyond 64 bits no body fits, and the product would leave 128 bits in the end.
            if (i != variable && known <= ulong.MaxValue) known *= (ulong)shape[i];
        }

        if (known == 0 || (UInt128)(uint)length % known != 0)
        {
            throw InputRoster.Invalid($"unexpected size for input '{input.Name}' for model '{roster.ModelName}': {length} bytes are no multiple of {known}, "
                + $"the size of {datatype.Name()} {Excerpt.Shape(input.Shape.AsSpan())} with 1 for the variable dimension");
        }

        shape[variable] = (long)((UInt128)(uint)length / known);
        return shape;
    }

    private static long[] ShapeOfOne(TensorInfo input, InputRoster roster)
    {
        if (input.Shape.IsEmpty) return [1];
        foreach (var dimension in input.Shape)
        {
            if (dimension is not (< 0 or 1))
            {
                throw InputRoster.Invalid($"a raw binary request brings one BYTES element, but input '{input.Name}' of model '{roster.ModelName}' is "
                    + $"{Excerpt.Shape(input.Shape.AsSpan())}; send JSON and a shape");
            }
        }

        var shape = new long[input.Shape.Length];
        Array.Fill(shape, 1);
        return shape;
    }
}
