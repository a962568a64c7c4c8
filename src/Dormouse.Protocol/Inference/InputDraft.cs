namespace Dormouse.Protocol.Inference;

/// <summary>An input whose name, datatype and shape fit the model, while its data is still being read.</summary>
/// <param name="Count">Elements that the shape asks for.</param>
internal sealed record InputDraft(string Name, Datatype Datatype, long[] Shape, long Count)
{
    /// <summary>Bytes that the whole tensor needs, or null for BYTES. May exceed what any array can hold.</summary>
    public UInt128? ByteLength => Datatype == Datatype.Bytes ? null : (UInt128)(ulong)Count * (ulong)Datatype.ElementSize();

    public InputTensor WithData(Memory<byte> data) => new() { Name = Name, Datatype = Datatype, Shape = Shape, Data = data };

    public InputTensor WithStrings(TensorBytes strings) => new() { Name = Name, Datatype = Datatype, Shape = Shape, Strings = strings };
}
