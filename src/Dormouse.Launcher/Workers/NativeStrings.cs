using System.Runtime.InteropServices;

namespace Dormouse.Launcher.Workers;

/// <summary>A null-terminated array of C strings.</summary>
internal sealed unsafe class NativeStrings : IDisposable
{
    private readonly int _count;

    public NativeStrings(IReadOnlyList<string> strings)
    {
        _count = strings.Count;
        Pointer = (byte**)NativeMemory.AllocZeroed((nuint)(_count + 1), (nuint)sizeof(byte*));
        for (var i = 0; i < _count; i++)
            Pointer[i] = (byte*)Marshal.StringToCoTaskMemUTF8(strings[i]);
    }

    public byte** Pointer { get; private set; }

    public void Dispose()
    {
        if (Pointer is null)
            return;
        for (var i = 0; i < _count; i++)
            Marshal.FreeCoTaskMem((nint)Pointer[i]);
        NativeMemory.Free(Pointer);
        Pointer = null;
    }
}
