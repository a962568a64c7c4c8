using System.Buffers.Binary;
using System.Text;

namespace Dormouse.Protocol.Inference;

/// <summary>The elements of one BYTES tensor in row-major order: one buffer and where each element ends. Immutable.</summary>
public sealed class TensorBytes
{
    /// <summary>A tensor without elements.</summary>
    public static readonly TensorBytes Empty = new(default, new int[1]);

    /// <param name="buffer">The elements one after the other, without gaps.</param>
    /// <param name="offsets">Count + 1 ascending positions: element i is <c>buffer[offsets[i]..offsets[i + 1]]</c>; the first is 0.</param>
    public TensorBytes(ReadOnlyMemory<byte> buffer, ReadOnlyMemory<int> offsets)
    {
        if (offsets.IsEmpty || offsets.Span[^1] != buffer.Length) throw new ArgumentException("The last offset must be the buffer's length.", nameof(offsets));
        Buffer = buffer;
        Offsets = offsets;
    }

    public ReadOnlyMemory<byte> Buffer { get; }

    public ReadOnlyMemory<int> Offsets { get; }

    public int Count => Offsets.Length - 1;

    /// <summary>Bytes in the binary tensor form: four bytes of length before each element.</summary>
    public int BinaryLength => checked(Buffer.Length + (4 * Count));

    public ReadOnlySpan<byte> this[int index]
    {
        get
        {
            var offsets = Offsets.Span;
            return Buffer.Span[offsets[index]..offsets[index + 1]];
        }
    }

    /// <summary>Elements from texts, as UTF-8.</summary>
    public static TensorBytes FromStrings(params ReadOnlySpan<string> elements)
    {
        var builder = new TensorBytesBuilder(elements.Length);
        foreach (var element in elements) builder.Add(Encoding.UTF8.GetBytes(element));
        return builder.Build();
    }

    /// <summary>Writes the binary tensor form: for each element a little-endian u32 length, then its bytes.</summary>
    /// <returns>The bytes written: <see cref="BinaryLength"/>.</returns>
    public int WriteBinary(Span<byte> destination)
    {
        var position = 0;
        for (var i = 0; i < Count; i++)
        {
            var element = this[i];
            BinaryPrimitives.WriteUInt32LittleEndian(destination[position..], (uint)element.Length);
            element.CopyTo(destination[(position + 4)..]);
            position += 4 + element.Length;
        }

        return position;
    }
}
