using System.Buffers;

namespace Dormouse.Worker.Running;

/// <summary>Memory that the engine owns, seen as <see cref="Memory{T}"/> so that answers are written from it without a copy.</summary>
internal sealed unsafe class NativeMemoryView(byte* start, int length) : MemoryManager<byte>
{
    public override Span<byte> GetSpan() => new(start, length);

    public override MemoryHandle Pin(int elementIndex = 0) => new(start + elementIndex);

    public override void Unpin()
    {
    }

    protected override void Dispose(bool disposing)
    {
        // The engine's value owns the memory and is disposed by whoever ran the model.
    }
}
