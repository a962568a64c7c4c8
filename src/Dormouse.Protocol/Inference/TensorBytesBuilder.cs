namespace Dormouse.Protocol.Inference;

/// <summary>Collects the elements of a BYTES tensor. An element may be written in pieces: <see cref="Append"/> … <see cref="EndElement"/>.</summary>
/// <param name="count">Elements that will come, when known; only a hint.</param>
public sealed class TensorBytesBuilder(int count)
{
    private byte[] _buffer = [];
    private int[] _offsets = new int[count + 1];
    private int _length;
    private int _count;

    public int Count => _count;

    /// <summary>Adds one whole element.</summary>
    public void Add(ReadOnlySpan<byte> element)
    {
        Append(element);
        EndElement();
    }

    /// <summary>Adds a piece of the element that is being written.</summary>
    public void Append(ReadOnlySpan<byte> piece)
    {
        if (_buffer.Length - _length < piece.Length)
            Array.Resize(ref _buffer, Math.Max(checked(_length + piece.Length), (int)Math.Min(Math.Max(64, 2L * _buffer.Length), Array.MaxLength)));
        piece.CopyTo(_buffer.AsSpan(_length));
        _length += piece.Length;
    }

    public void EndElement()
    {
        if (_count + 1 == _offsets.Length) Array.Resize(ref _offsets, Math.Max(8, 2 * _offsets.Length));
        _offsets[++_count] = _length;
    }

    /// <summary>The tensor's elements. The builder must not be used afterwards.</summary>
    public TensorBytes Build() => new(_buffer.AsMemory(0, _length), _offsets.AsMemory(0, _count + 1));
}
