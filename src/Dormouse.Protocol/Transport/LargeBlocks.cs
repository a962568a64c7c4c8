using System.Buffers;

namespace Dormouse.Protocol.Transport;

/// <summary>
/// Memory in which a web server reads and writes its sockets. Kestrel's own blocks have 4 KiB: a picture of 150 KB takes 37 system calls and as many turns of a
/// pipe, on each side of the hop to the instance.
/// </summary>
public sealed class LargeBlocks : MemoryPool<byte>
{
    /// <summary>Size of a block, bytes. More gained nothing: the copy itself is then what costs.</summary>
    public const int BlockBytes = 32 * 1024;

    public override int MaxBufferSize => Shared.MaxBufferSize;

    /// <summary>A block of at least <paramref name="minBufferSize"/> bytes, and never less than <see cref="BlockBytes"/>.</summary>
    public override IMemoryOwner<byte> Rent(int minBufferSize = -1) => Shared.Rent(Math.Max(minBufferSize, BlockBytes));

    protected override void Dispose(bool disposing)
    {
        // The blocks belong to the runtime's shared pool.
    }
}
