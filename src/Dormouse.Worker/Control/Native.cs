using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Dormouse.Worker.Control;

/// <summary>The few calls of the C library that .NET has no door to: packets with descriptors, giving memory back, CPU clocks, page prefetch.</summary>
internal static unsafe partial class Native
{
    internal const int SolSocket = 1;
    internal const int SoType = 3;
    internal const int SockSeqPacket = 5;
    internal const int ScmRights = 1;
    internal const int MsgNoSignal = 0x4000;
    internal const int MsgCmsgCloseOnExec = 0x40000000;
    internal const int MsgTruncated = 0x20;
    internal const int MsgControlTruncated = 0x8;
    internal const int ClockProcessCpu = 2;
    internal const int ClockThreadCpu = 3;
    internal const int ProtRead = 1;
    internal const int MapShared = 1;
    internal const int AdviceWillNeed = 3;
    internal const int AdviceHugePages = 14;
    internal const int AdvicePopulateRead = 22;
    internal const int InterruptedCall = 4;

    [StructLayout(LayoutKind.Sequential)]
    internal struct Vector
    {
        public byte* Base;
        public nuint Length;
    }

    [StructLayout(LayoutKind.Sequential)]
    internal struct MessageHeader
    {
        public void* Name;
        public uint NameLength;
        public Vector* Vectors;
        public nuint VectorCount;
        public void* Control;
        public nuint ControlLength;
        public int Flags;
    }

    [StructLayout(LayoutKind.Sequential)]
    internal struct ControlHeader
    {
        public nuint Length;
        public int Level;
        public int Type;
    }

    [StructLayout(LayoutKind.Sequential)]
    internal struct TimeSpec
    {
        public long Seconds;
        public long Nanoseconds;
    }

    [LibraryImport("libc", EntryPoint = "recvmsg", SetLastError = true)]
    internal static partial nint ReceiveMessage(int descriptor, MessageHeader* message, int flags);

    [LibraryImport("libc", EntryPoint = "send", SetLastError = true)]
    internal static partial nint Send(int descriptor, byte* data, nuint length, int flags);

    [LibraryImport("libc", EntryPoint = "getsockopt", SetLastError = true)]
    internal static partial int GetSocketOption(int descriptor, int level, int option, int* value, uint* length);

    /// <summary>Ends the process without running anything else: no finalisers, no flushing, no waiting for a run.</summary>
    [LibraryImport("libc", EntryPoint = "_exit")]
    internal static partial void ExitAtOnce(int code);

    [LibraryImport("libc", EntryPoint = "setenv", StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int SetEnvironment(string name, string value, int overwrite);

    [LibraryImport("libc", EntryPoint = "clock_gettime")]
    internal static partial int GetClock(int clock, TimeSpec* time);

    [LibraryImport("libc", EntryPoint = "mmap", SetLastError = true)]
    internal static partial nint Map(nint address, nuint length, int protection, int flags, int descriptor, long offset);

    [LibraryImport("libc", EntryPoint = "munmap")]
    internal static partial int Unmap(nint address, nuint length);

    [LibraryImport("libc", EntryPoint = "madvise", SetLastError = true)]
    internal static partial int Advise(nint address, nuint length, int advice);

    [LibraryImport("libc", EntryPoint = "posix_fadvise")]
    internal static partial int AdviseFile(int descriptor, long offset, long length, int advice);

    [LibraryImport("libc", EntryPoint = "realpath", StringMarshalling = StringMarshalling.Utf8)]
    internal static partial nint RealPath(string path, nint resolved);

    [LibraryImport("libc", EntryPoint = "free")]
    internal static partial void Free(nint memory);

    [LibraryImport("libc", EntryPoint = "getauxval")]
    internal static partial nuint GetAuxiliaryValue(nuint type);

    [LibraryImport("libc", EntryPoint = "memfd_create", StringMarshalling = StringMarshalling.Utf8, SetLastError = true)]
    private static partial nint CreateAnonymousFile(string name, uint flags);

    [LibraryImport("libc", EntryPoint = "open", StringMarshalling = StringMarshalling.Utf8, SetLastError = true)]
    private static partial nint Open(string path, int flags);

    /// <summary>A file in memory, without a place in any folder.</summary>
    internal static SafeFileHandle AnonymousFile(string name)
    {
        const uint CloseOnExec = 1;
        return Valid(CreateAnonymousFile(name, CloseOnExec), name);
    }

    /// <summary>A folder as a descriptor.</summary>
    internal static SafeFileHandle OpenFolder(string path)
    {
        const int ReadOnlyCloseOnExec = 0x80000;
        return Valid(Open(path, ReadOnlyCloseOnExec), path);
    }

    private static SafeFileHandle Valid(nint descriptor, string name) => descriptor >= 0
        ? new SafeFileHandle(descriptor, ownsHandle: true)
        : throw new IOException($"{name} cannot be opened: {Marshal.GetLastPInvokeErrorMessage()}.");

    /// <summary>CPU time of the calling thread or of the process, µs.</summary>
    internal static long CpuMicroseconds(int clock)
    {
        TimeSpec time;
        _ = GetClock(clock, &time);
        return (time.Seconds * 1_000_000) + (time.Nanoseconds / 1000);
    }
}
