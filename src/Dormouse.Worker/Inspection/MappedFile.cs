using Dormouse.Worker.Control;
using Microsoft.Win32.SafeHandles;

namespace Dormouse.Worker.Inspection;

/// <summary>A file mapped for reading; pages that nobody looks at are never read from the disk.</summary>
internal sealed unsafe class MappedFile : IDisposable
{
    private const nint MapFailed = -1;
    private readonly byte* _start;
    private readonly int _length;

    private MappedFile(byte* start, int length)
    {
        _start = start;
        _length = length;
    }

    internal ReadOnlySpan<byte> Bytes => new(_start, _length);

    /// <summary>Maps a file of 1 byte to 2 GiB.</summary>
    internal static MappedFile Open(SafeFileHandle file, long length)
    {
        var start = Native.Map(0, (nuint)length, Native.ProtRead, Native.MapShared, (int)file.DangerousGetHandle(), 0);
        return start == MapFailed ? throw new IOException("The model file cannot be mapped.") : new MappedFile((byte*)start, checked((int)length));
    }

    public void Dispose() => _ = Native.Unmap((nint)_start, (nuint)_length);
}
