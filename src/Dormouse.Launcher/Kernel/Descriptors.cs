using System.ComponentModel;
using System.Runtime.InteropServices;
using System.Text;

namespace Dormouse.Launcher.Kernel;

/// <summary>What the launcher does with file descriptors: sockets, packets with descriptors, small files of the kernel.</summary>
internal static unsafe class Descriptors
{
    private const int AddressPathBytes = 108;
    private const int ReceiveNothingLeft = 0;

    // struct cmsghdr: length (8 bytes), level, type, data.
    private const int ControlHeader = 16;
    private const int SocketLevel = 1, Rights = 1, Credentials = 2;

    /// <summary>Makes sure that 0, 1 and 2 are taken (so that no socket of ours becomes one) and that nothing else is inherited by a child.</summary>
    public static void Secure()
    {
        int descriptor;
        do
            descriptor = Libc.Open("/dev/null", Libc.OpenReadWrite, 0);
        while (descriptor is >= 0 and < 3);
        if (descriptor >= 0)
            Close(descriptor);
        const nuint SetCloseOnExec = 4;
        // Fails on kernels before 5.11; then only what the server left open on purpose would be inherited, and the base library leaves nothing open.
        _ = Libc.SystemCall(Libc.CallCloseRange, 3, uint.MaxValue, SetCloseOnExec);
    }

    /// <param name="waiting">Connections that may wait to be accepted.</param>
    public static int ListenOn(string path, int waiting = 1)
    {
        var bytes = Encoding.UTF8.GetBytes(path);
        if (bytes.Length >= AddressPathBytes)
            throw new ArgumentException($"The socket path has {bytes.Length} bytes; {AddressPathBytes - 1} are allowed. Use a shorter run folder.");
        File.Delete(path);
        var socket = Check(Libc.Socket(Libc.Unix, Libc.Stream | Libc.CloseOnExec | Libc.NonBlocking, 0), "socket");
        var address = stackalloc byte[2 + AddressPathBytes];
        new Span<byte>(address, 2 + AddressPathBytes).Clear();
        *(ushort*)address = Libc.Unix;
        bytes.CopyTo(new Span<byte>(address + 2, AddressPathBytes));
        Check(Libc.Bind(socket, address, 2 + AddressPathBytes), "bind");
        Check(Libc.Listen(socket, waiting), "listen");
        return socket;
    }

    /// <summary>A new connection, or -1 when there is none yet.</summary>
    public static int Accept(int listener) => Libc.Accept(listener, null, null, Libc.CloseOnExec | Libc.NonBlocking);

    /// <summary>Two connected packet sockets, both closed on exec.</summary>
    public static (int Ours, int Theirs) PacketPair()
    {
        var pair = stackalloc int[2];
        Check(Libc.SocketPair(Libc.Unix, Libc.SequencedPackets | Libc.CloseOnExec, 0, pair), "socketpair");
        SetNonBlocking(pair[0]);
        return (pair[0], pair[1]);
    }

    public static (int Read, int Write) Pipe()
    {
        var pair = stackalloc int[2];
        Check(Libc.Pipe(pair, Libc.CloseOnExec), "pipe2");
        SetNonBlocking(pair[0]);
        return (pair[0], pair[1]);
    }

    /// <summary>Reads what is there: bytes read, 0 at the end, -1 when nothing is there yet. A broken descriptor counts as its end.</summary>
    public static int Receive(int socket, Span<byte> buffer, bool whole = false)
    {
        fixed (byte* start = buffer)
        {
            while (true)
            {
                var count = whole
                    ? Libc.Receive(socket, start, (nuint)buffer.Length, Libc.ReceiveTruncated)
                    : Libc.Read(socket, start, (nuint)buffer.Length);
                if (count >= 0)
                    return (int)count;
                var error = Marshal.GetLastPInvokeError();
                if (error != Libc.Interrupted)
                    return error == Libc.TryAgain ? -1 : ReceiveNothingLeft;
            }
        }
    }

    /// <summary>As <see cref="Receive"/> for a whole packet, with the one descriptor that came with it; -1 = none did. More than one are not taken.</summary>
    public static int ReceiveWith(int socket, Span<byte> buffer, out int descriptor)
    {
        const int ControlBytes = 24; // One header and one descriptor.
        var count = ReceiveMessage(socket, buffer, ControlBytes, Rights, out var taken, none: -1);
        descriptor = taken;
        return count;
    }

    /// <summary>From now on the kernel says with each packet which process sent it.</summary>
    public static void AskForSender(int socket)
    {
        const int PassCredentials = 16;
        var on = 1;
        Check(Libc.SocketOption(socket, SocketLevel, PassCredentials, &on, sizeof(int)), "setsockopt");
    }

    /// <summary>As <see cref="Receive"/> for a whole packet, with its sender's process as this process sees it; 0 when the kernel does not say.</summary>
    public static int ReceiveFrom(int socket, Span<byte> buffer, out int sender)
    {
        const int ControlBytes = 32; // One header and struct ucred: process, user, group. No room for descriptors that the sender adds.
        return ReceiveMessage(socket, buffer, ControlBytes, Credentials, out sender, none: 0);
    }

    /// <summary>A packet and the first number of what came with it of this kind.</summary>
    private static int ReceiveMessage(int socket, Span<byte> buffer, int controlBytes, int kind, out int number, int none)
    {
        var control = stackalloc byte[controlBytes];
        fixed (byte* start = buffer)
        {
            var vector = stackalloc nint[2] { (nint)start, buffer.Length };
            var message = stackalloc nint[7];
            while (true)
            {
                new Span<byte>(control, controlBytes).Clear();
                new Span<nint>(message, 7).Clear();
                (message[2], message[3], message[4], message[5]) = ((nint)vector, 1, (nint)control, controlBytes);
                var count = Libc.ReceiveMessage(socket, (byte*)message, Libc.ReceiveTruncated | Libc.ReceiveCloseOnExec);
                number = count > 0 && *(int*)(control + 8) == SocketLevel && *(int*)(control + 12) == kind ? *(int*)(control + ControlHeader) : none;
                if (count >= 0)
                    return (int)count;
                var error = Marshal.GetLastPInvokeError();
                if (error != Libc.Interrupted)
                    return error == Libc.TryAgain ? -1 : ReceiveNothingLeft;
            }
        }
    }

    /// <summary>Sends what fits: bytes sent, or -1 when the other end is gone.</summary>
    public static int Send(int socket, ReadOnlySpan<byte> bytes)
    {
        fixed (byte* start = bytes)
        {
            while (true)
            {
                var count = Libc.Send(socket, start, (nuint)bytes.Length, Libc.SendNoSignal);
                if (count >= 0)
                    return (int)count;
                var error = Marshal.GetLastPInvokeError();
                if (error != Libc.Interrupted)
                    return error == Libc.TryAgain ? 0 : -1;
            }
        }
    }

    /// <summary>Sends one packet with descriptors (SCM_RIGHTS). Returns 0 or the error number.</summary>
    public static int SendPacket(int socket, ReadOnlySpan<byte> packet, ReadOnlySpan<int> descriptors)
    {
        var controlBytes = (ControlHeader + descriptors.Length * sizeof(int) + 7) & ~7;
        var control = stackalloc byte[controlBytes];
        new Span<byte>(control, controlBytes).Clear();
        *(long*)control = ControlHeader + descriptors.Length * sizeof(int);
        *(int*)(control + 8) = SocketLevel;
        *(int*)(control + 12) = Rights;
        descriptors.CopyTo(new Span<int>(control + ControlHeader, descriptors.Length));
        fixed (byte* body = packet)
        {
            var vector = stackalloc nint[2] { (nint)body, packet.Length };
            // struct msghdr: name, name length, vectors, count, control, control length, flags.
            var message = stackalloc nint[7] { 0, 0, (nint)vector, 1, descriptors.Length == 0 ? 0 : (nint)control, descriptors.Length == 0 ? 0 : controlBytes, 0 };
            while (Libc.SendMessage(socket, (byte*)message, Libc.SendNoSignal) < 0)
            {
                var error = Marshal.GetLastPInvokeError();
                if (error != Libc.Interrupted)
                    return error;
            }

            return 0;
        }
    }

    /// <summary>Writes a small text to a file of the kernel in one call. Returns 0 or the error number.</summary>
    public static int WriteText(string path, string text)
    {
        var descriptor = Libc.Open(path, Libc.OpenWrite | Libc.OpenCloseOnExec, 0);
        if (descriptor < 0)
            return Marshal.GetLastPInvokeError();
        var bytes = Encoding.ASCII.GetBytes(text);
        fixed (byte* start = bytes)
        {
            var error = Libc.Write(descriptor, start, (nuint)bytes.Length) < 0 ? Marshal.GetLastPInvokeError() : 0;
            Close(descriptor);
            return error;
        }
    }

    /// <summary>A file in memory with this content, to be read from its start by whoever gets the descriptor.</summary>
    public static int FileOf(string name, ReadOnlySpan<byte> content)
    {
        const uint CloseOnExec = 1;
        var file = Check(Libc.AnonymousFile(name, CloseOnExec), "memfd_create");
        fixed (byte* start = content)
            Check((int)Libc.Write(file, start, (nuint)content.Length), "write");
        _ = Libc.Seek(file, 0, 0);
        return file;
    }

    /// <summary>Another descriptor of the same, with a number that no descriptor of a child gets; closes the one that was given.</summary>
    public static int MoveHigh(int descriptor)
    {
        const int DuplicateCloseOnExec = 1030, First = 64;
        var moved = Check(Libc.Control(descriptor, DuplicateCloseOnExec, First), "fcntl");
        Close(descriptor);
        return moved;
    }

    /// <summary>From now on a call that would wait says so instead.</summary>
    public static void SetNonBlocking(int descriptor)
    {
        const int GetFlags = 3, SetFlags = 4;
        Check(Libc.Control(descriptor, SetFlags, Libc.Control(descriptor, GetFlags, 0) | Libc.NonBlocking), "fcntl");
    }

    /// <summary>The process of a descriptor (<c>pidfd_open</c>) has ended.</summary>
    public static bool HasEnded(int process)
    {
        var entry = new Libc.PollEntry { Descriptor = process, Wanted = Libc.PollIn };
        return Libc.Poll(&entry, 1, 0) > 0;
    }

    public static void Close(int descriptor)
    {
        if (descriptor >= 0)
            _ = Libc.Close(descriptor);
    }

    /// <summary>The error number in the kernel's words.</summary>
    public static string Words(int error) => Marshal.GetPInvokeErrorMessage(error);

    private static int Check(int result, string call) =>
        result >= 0 ? result : throw new Win32Exception(Marshal.GetLastPInvokeError(), $"{call}: {Words(Marshal.GetLastPInvokeError())}");
}
