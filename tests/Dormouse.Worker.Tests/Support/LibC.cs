using System.Runtime.InteropServices;

namespace Dormouse.Worker.Tests.Support;

/// <summary>What a launcher needs of the C library: a packet socket pair, descriptors in messages, folders as descriptors.</summary>
internal static unsafe partial class LibC
{
    private const int Unix = 1;
    private const int SeqPacket = 5;
    private const int CloseOnExec = 0x80000;
    private const int SetDescriptorFlags = 2;
    private const int SolSocket = 1;
    private const int ReceiveTimeout = 20;
    private const int Rights = 1;
    private const int NoSignal = 0x4000;
    private const int InterruptedCall = 4;

    internal const int ReadOnly = 0;
    internal const int Directory = 0x10000;
    internal const int WriteCreateTruncate = 0x2 | 0x40 | 0x200;

    [StructLayout(LayoutKind.Sequential)]
    private struct Vector
    {
        public byte* Base;
        public nuint Length;
    }

    [StructLayout(LayoutKind.Sequential)]
    private struct Message
    {
        public void* Name;
        public uint NameLength;
        public Vector* Vectors;
        public nuint VectorCount;
        public void* Control;
        public nuint ControlLength;
        public int Flags;
    }

    /// <summary>A connected pair; only the second end is inherited by child processes.</summary>
    internal static (int Ours, int Inherited) SocketPair(TimeSpan receiveTimeout)
    {
        var ends = stackalloc int[2];
        Check(socketpair(Unix, SeqPacket | CloseOnExec, 0, ends));
        Check(fcntl(ends[1], SetDescriptorFlags, 0));
        var time = stackalloc long[] { (long)receiveTimeout.TotalSeconds, 0 };
        Check(setsockopt(ends[0], SolSocket, ReceiveTimeout, time, 16));
        return (ends[0], ends[1]);
    }

    internal static int Open(string path, int flags)
    {
        var descriptor = open(path, flags | CloseOnExec, 0x1A4);
        return descriptor >= 0 ? descriptor : throw new IOException($"open {path}: error {Marshal.GetLastPInvokeError()}");
    }

    internal static void Close(int descriptor) => _ = close(descriptor);

    internal static void Send(int socket, ReadOnlySpan<byte> packet, ReadOnlySpan<int> descriptors)
    {
        var control = stackalloc byte[16 + (descriptors.Length * sizeof(int)) + 8];
        *(nuint*)control = (nuint)(16 + (descriptors.Length * sizeof(int)));
        ((int*)control)[2] = SolSocket;
        ((int*)control)[3] = Rights;
        descriptors.CopyTo(new Span<int>(control + 16, descriptors.Length));
        fixed (byte* data = packet)
        {
            var vector = new Vector { Base = data, Length = (nuint)packet.Length };
            var message = new Message { Vectors = &vector, VectorCount = 1 };
            if (descriptors.Length > 0)
            {
                message.Control = control;
                message.ControlLength = (nuint)((16 + (descriptors.Length * sizeof(int)) + 7) & ~7);
            }

            Check((int)sendmsg(socket, &message, NoSignal));
        }
    }

    /// <summary>The next packet; empty at end of file; throws when none comes in time.</summary>
    internal static byte[] Receive(int socket, int bytesMax)
    {
        var buffer = new byte[bytesMax];
        fixed (byte* data = buffer)
        {
            nint read;
            do
            {
                read = recv(socket, data, (nuint)bytesMax, 0);
            }
            while (read < 0 && Marshal.GetLastPInvokeError() == InterruptedCall);

            Check((int)read);
            return buffer[..(int)read];
        }
    }

    private static void Check(int result)
    {
        if (result < 0)
        {
            throw new IOException($"C library error {Marshal.GetLastPInvokeError()}: {Marshal.GetLastPInvokeErrorMessage()}");
        }
    }

    [LibraryImport("libc", SetLastError = true)]
    private static partial int socketpair(int domain, int type, int protocol, int* ends);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int fcntl(int descriptor, int command, int value);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int setsockopt(int socket, int level, int option, void* value, uint length);

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int open(string path, int flags, uint mode);

    [LibraryImport("libc")]
    private static partial int close(int descriptor);

    [LibraryImport("libc", SetLastError = true)]
    private static partial nint sendmsg(int socket, Message* message, int flags);

    [LibraryImport("libc", SetLastError = true)]
    private static partial nint recv(int socket, byte* buffer, nuint length, int flags);
}
