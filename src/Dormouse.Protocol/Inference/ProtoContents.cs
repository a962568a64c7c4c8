using System.Buffers.Binary;
using System.Numerics;
using System.Runtime.InteropServices;

namespace Dormouse.Protocol.Inference;

/// <summary>Reads the typed form of a tensor, <c>InferTensorContents</c>: one repeated field for each family of datatypes.</summary>
internal static class ProtoContents
{
    private static readonly string[] FieldNames =
    [
        "", "bool_contents", "int_contents", "int64_contents", "uint_contents", "uint64_contents", "fp32_contents", "fp64_contents", "bytes_contents",
    ];

    public static InputTensor Read(ReadOnlySpan<byte> contents, InputDraft draft, InputRoster roster, InferRequest request)
    {
        var target = new Target(draft, roster);
        if (draft.Datatype.IsBinaryOnly())
            throw target.Invalid($"{draft.Datatype.Name()} has no typed contents; send it in raw_input_contents");

        // A varint takes a byte at least, the other kinds more: what the shape promises must be there before memory is taken.
        if (draft.Count > contents.Length) throw target.WrongCount("fewer");
        var count = (int)draft.Count;
        if (draft.Datatype == Datatype.Bytes) return draft.WithStrings(ReadStrings(contents, count, target));

        var data = request.Rent(checked(count * draft.Datatype.ElementSize()));
        var span = data.Span;
        switch (draft.Datatype)
        {
            case Datatype.Bool: ReadVarints(contents, 1, span, target, static (ulong v, out byte e) => { e = v != 0 ? (byte)1 : (byte)0; return true; }); break;
            case Datatype.Int8: ReadVarints<sbyte>(contents, 2, MemoryMarshal.Cast<byte, sbyte>(span), target, TryNarrowSigned); break;
            case Datatype.Int16: ReadVarints<short>(contents, 2, MemoryMarshal.Cast<byte, short>(span), target, TryNarrowSigned); break;
            case Datatype.Int32: ReadVarints<int>(contents, 2, MemoryMarshal.Cast<byte, int>(span), target, TryNarrowSigned); break;
            case Datatype.Int64: ReadVarints(contents, 3, MemoryMarshal.Cast<byte, long>(span), target, static (ulong v, out long e) => { e = (long)v; return true; }); break;
            case Datatype.Uint8: ReadVarints<byte>(contents, 4, span, target, TryNarrowUnsigned); break;
            case Datatype.Uint16: ReadVarints<ushort>(contents, 4, MemoryMarshal.Cast<byte, ushort>(span), target, TryNarrowUnsigned); break;
            case Datatype.Uint32: ReadVarints<uint>(contents, 4, MemoryMarshal.Cast<byte, uint>(span), target, TryNarrowUnsigned); break;
            case Datatype.Uint64: ReadVarints(contents, 5, MemoryMarshal.Cast<byte, ulong>(span), target, static (ulong v, out ulong e) => { e = v; return true; }); break;
            case Datatype.Fp32: ReadFixed(contents, 6, 4, span, target); break;
            default: ReadFixed(contents, 7, 8, span, target); break;
        }

        return draft.WithData(data);
    }

    private delegate bool Narrow<T>(ulong value, out T element);

    /// <summary>int32 fields: the wire has 64 bits, of which protobuf keeps the lower 32.</summary>
    private static bool TryNarrowSigned<T>(ulong value, out T element)
        where T : IBinaryInteger<T>
    {
        element = T.CreateTruncating((int)value);
        return int.CreateTruncating(element) == (int)value;
    }

    private static bool TryNarrowUnsigned<T>(ulong value, out T element)
        where T : IBinaryInteger<T>
    {
        element = T.CreateTruncating((uint)value);
        return uint.CreateTruncating(element) == (uint)value;
    }

    /// <summary>Packed or one by one, also both mixed, as protobuf allows.</summary>
    private static void ReadVarints<T>(ReadOnlySpan<byte> contents, int field, Span<T> elements, Target target, Narrow<T> narrow)
        where T : unmanaged
    {
        var count = 0;
        var reader = new ProtoReader(contents);
        while (reader.Next())
        {
            if (reader.Is(field, WireType.Varint))
            {
                Store(reader.Number, elements);
                continue;
            }

            target.CheckField(reader, field);
            if (!reader.Is(field, WireType.Bytes)) continue;
            for (var position = 0; position < reader.Bytes.Length;) Store(ProtoReader.Varint(reader.Bytes, ref position), elements);
        }

        if (count < elements.Length) throw target.WrongCount("fewer");

        void Store(ulong value, Span<T> into)
        {
            if (count == into.Length) throw target.WrongCount("more");
            if (!narrow(value, out into[count])) throw target.OutOfRange(count, (long)value);
            count++;
        }
    }

    private static void ReadFixed(ReadOnlySpan<byte> contents, int field, int size, Span<byte> elements, Target target)
    {
        var one = size == 4 ? WireType.Fixed32 : WireType.Fixed64;
        Span<byte> single = stackalloc byte[8];
        var reader = new ProtoReader(contents);
        while (reader.Next())
        {
            target.CheckField(reader, field);
            scoped ReadOnlySpan<byte> piece;
            if (reader.Is(field, WireType.Bytes))
            {
                piece = reader.Bytes;
            }
            else if (reader.Is(field, one))
            {
                BinaryPrimitives.WriteUInt64LittleEndian(single, reader.Number);
                piece = single[..size];
            }
            else
            {
                continue;
            }

            if (piece.Length % size != 0) throw ProtoReader.Malformed($"{FieldNames[field]} of a length that is no multiple of {size}");
            if (piece.Length > elements.Length) throw target.WrongCount("more");
            piece.CopyTo(elements);
            elements = elements[piece.Length..];
        }

        if (!elements.IsEmpty) throw target.WrongCount("fewer");
    }

    private static TensorBytes ReadStrings(ReadOnlySpan<byte> contents, int count, Target target)
    {
        const int field = 8;
        var builder = new TensorBytesBuilder(count);
        var reader = new ProtoReader(contents);
        while (reader.Next())
        {
            target.CheckField(reader, field);
            if (!reader.Is(field, WireType.Bytes)) continue;
            if (builder.Count == count) throw target.WrongCount("more");
            builder.Add(reader.Bytes);
        }

        return builder.Count == count ? builder.Build() : throw target.WrongCount("fewer");
    }

    /// <summary>The input that is being read, for messages.</summary>
    private readonly struct Target(InputDraft draft, InputRoster roster)
    {
        /// <summary>Refuses elements in a field that belongs to another datatype: they would be lost silently.</summary>
        public void CheckField(in ProtoReader reader, int field)
        {
            var given = reader.Field;
            if (given == field || given >= FieldNames.Length || (reader.Type == WireType.Bytes && given != 8 && reader.Bytes.IsEmpty)) return;
            throw Invalid($"{draft.Datatype.Name()} elements belong into {FieldNames[field]}, given {FieldNames[given]}");
        }

        public InferenceException WrongCount(string given) =>
            Invalid($"shape {Excerpt.Shape(draft.Shape)} needs {draft.Count} elements, contents holds {given}");

        public InferenceException OutOfRange(int index, long value) => Invalid($"element {index} is {value}, out of the range of {draft.Datatype.Name()}");

        public InferenceException Invalid(string what) => InputRoster.Invalid($"input '{draft.Name}' for model '{roster.ModelName}': {what}");
    }
}
