using System.Runtime.InteropServices;
using System.Text.Json;
using Dormouse.Protocol.Launching;

namespace Dormouse.FakeWorker;

/// <summary>Descriptor 3 as a worker sees it: packets of JSON, with descriptors.</summary>
internal static unsafe partial class ControlSocket
{
    private const int Control = 3;
    private const int DescriptorsMax = 16;

    public static void Send(WorkerMessage message)
    {
        var packet = JsonSerializer.SerializeToUtf8Bytes(message, WorkerJson.Default.WorkerMessage);
        SendRaw(packet);
    }

    public static void SendRaw(ReadOnlySpan<byte> packet)
    {
        fixed (byte* start = packet)
            _ = Send(Control, start, (nuint)packet.Length, 0);
    }

    /// <summary>The next packet, or null at the end.</summary>
    public static (WorkerAssignment Assignment, int[] Descriptors)? Receive()
    {
        var buffer = new byte[WorkerAssignment.PacketBytesMax];
        const int HeaderBytes = 16;
        var control = stackalloc byte[HeaderBytes + DescriptorsMax * sizeof(int)];
        fixed (byte* start = buffer)
        {
            var vector = stackalloc nint[2] { (nint)start, buffer.Length };
            var message = stackalloc nint[7] { 0, 0, (nint)vector, 1, (nint)control, HeaderBytes + DescriptorsMax * sizeof(int), 0 };
            var count = (int)ReceiveMessage(Control, (byte*)message, 0);
            if (count <= 0)
                return null;
            var descriptors = message[5] < HeaderBytes ? 0 : (int)(*(long*)control - HeaderBytes) / sizeof(int);
            return (JsonSerializer.Deserialize(buffer.AsSpan(0, count), WorkerJson.Default.WorkerAssignment)!, // Not null: our launcher sent it.
                new ReadOnlySpan<int>(control + HeaderBytes, descriptors).ToArray());
        }
    }

    /// <summary>Ends the process without any clean-up.</summary>
    [LibraryImport("libc", EntryPoint = "_exit")]
    public static partial void Exit(int code);

    [LibraryImport("libc", EntryPoint = "send")]
    private static partial nint Send(int socket, byte* bytes, nuint length, int flags);

    [LibraryImport("libc", EntryPoint = "recvmsg")]
    private static partial nint ReceiveMessage(int socket, byte* message, int flags);
}
