using System.Text;

namespace Dormouse.Protocol.Inference;

/// <summary>Element types of tensors. Names on the wire are the upper-case words of the Open Inference Protocol.</summary>
public enum Datatype : byte
{
    Bool,
    Uint8,
    Uint16,
    Uint32,
    Uint64,
    Int8,
    Int16,
    Int32,
    Int64,
    Fp16,
    Bf16,
    Fp32,
    Fp64,
    Bytes,
}

/// <summary>Wire names and sizes of <see cref="Datatype"/>.</summary>
public static class Datatypes
{
    /// <summary>What <see cref="ElementSize"/> answers for <see cref="Datatype.Bytes"/>: each element has its own length.</summary>
    public const int VariableSize = -1;

    private static readonly string[] Names =
        ["BOOL", "UINT8", "UINT16", "UINT32", "UINT64", "INT8", "INT16", "INT32", "INT64", "FP16", "BF16", "FP32", "FP64", "BYTES"];

    private static readonly sbyte[] Sizes = [1, 1, 2, 4, 8, 1, 2, 4, 8, 2, 2, 4, 8, VariableSize];

    /// <summary>Every wire name, for messages: "BOOL, UINT8, …".</summary>
    public static string Listing { get; } = string.Join(", ", Names);

    /// <summary>The protocol's name: <c>FP32</c>.</summary>
    public static string Name(this Datatype datatype) => Names[(int)datatype];

    /// <summary>Bytes of one element, or <see cref="VariableSize"/> for BYTES.</summary>
    public static int ElementSize(this Datatype datatype) => Sizes[(int)datatype];

    /// <summary>True for the two types that JSON cannot carry (B8: the binary form is asked for).</summary>
    public static bool IsBinaryOnly(this Datatype datatype) => datatype is Datatype.Fp16 or Datatype.Bf16;

    /// <summary>Compared by ordinal: <c>fp32</c> is no datatype.</summary>
    public static bool TryParse(string? name, out Datatype datatype)
    {
        var index = Array.IndexOf(Names, name);
        datatype = index < 0 ? default : (Datatype)index;
        return index >= 0;
    }

    /// <inheritdoc cref="TryParse(string?, out Datatype)"/>
    public static bool TryParse(ReadOnlySpan<byte> name, out Datatype datatype)
    {
        // The longest name has six letters: a longer text is not decoded at all.
        datatype = default;
        return name.Length <= 6 && TryParse(Encoding.UTF8.GetString(name), out datatype);
    }
}
