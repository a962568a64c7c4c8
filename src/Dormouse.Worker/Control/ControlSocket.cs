using System.Collections.Immutable;
using System.Runtime.InteropServices;
using System.Text.Json;
using Dormouse.Protocol.Launching;

namespace Dormouse.Worker.Control;

/// <summary>
/// The worker's end of descriptor 3: one packet is one JSON message. A thread of its own waits for the one assignment and for the end of file,
/// which means that nobody owns this worker any more: the process ends there and then, whatever it is doing.
/// </summary>
internal sealed class ControlSocket : IDisposable
{
    internal const int Descriptor = 3;
    private const int DescriptorsMax = 16;
    private const int StackBytes = 256 * 1024;

    private readonly ManualResetEventSlim _arrived = new();
    private Assigned? _assigned;

    private ControlSocket()
    {
    }

    /// <summary>An assignment as it came: its JSON and the descriptors beside it.</summary>
    internal sealed record Assigned(byte[] Json, ImmutableArray<int> Descriptors)
    {
        /// <summary>The message; throws <see cref="JsonException"/> when the packet is not one.</summary>
        public WorkerAssignment Parse() =>
            JsonSerializer.Deserialize(Json, WorkerJson.Default.WorkerAssignment) ?? throw new JsonException("The assignment is null.");

        /// <summary>The descriptor that an index of the message means.</summary>
        public int At(int index) => index >= 0 && index < Descriptors.Length
            ? Descriptors[index]
            : throw new JsonException($"The assignment names descriptor {index}, but {Descriptors.Length} came with it.");
    }

    /// <summary>The control socket on descriptor 3, or null when that descriptor is not a packet socket.</summary>
    internal static unsafe ControlSocket? TryOpen()
    {
        int type;
        uint length = sizeof(int);
        var isSocket = Native.GetSocketOption(Descriptor, Native.SolSocket, Native.SoType, &type, &length) == 0;
        return isSocket && type == Native.SockSeqPacket ? new ControlSocket() : null;
    }

    internal void Listen() => new Thread(Receive, StackBytes) { IsBackground = true, Name = "control" }.Start();

    internal bool HasAssignment => _arrived.IsSet;

    /// <summary>False when no assignment has come in that time.</summary>
    internal bool WaitForAssignment(TimeSpan limit) => _arrived.Wait(limit);

    /// <summary>Waits for the assignment. The process ends inside this wait when the socket closes first.</summary>
    internal Assigned WaitForAssignment()
    {
        _arrived.Wait();
        return _assigned!; // Set before the event, and never unset.
    }

    /// <summary>A message as one packet.</summary>
    internal static byte[] Pack(WorkerMessage message)
    {
        var json = JsonSerializer.SerializeToUtf8Bytes(message, WorkerJson.Default.WorkerMessage);
        return json.Length <= WorkerAssignment.PacketBytesMax ? json : JsonSerializer.SerializeToUtf8Bytes(
            new WorkerRefused($"The description of the model's inputs and outputs takes {json.Length} bytes; at most {WorkerAssignment.PacketBytesMax} are possible."),
            WorkerJson.Default.WorkerMessage);
    }

    /// <summary>Sends one message; a launcher that is gone ends the process.</summary>
    internal static unsafe void Send(WorkerMessage message)
    {
        var json = Pack(message);
        fixed (byte* data = json)
        {
            while (Native.Send(Descriptor, data, (nuint)json.Length, Native.MsgNoSignal) < 0)
            {
                if (Marshal.GetLastPInvokeError() != Native.InterruptedCall)
                {
                    Native.ExitAtOnce(0);
                }
            }
        }
    }

    public void Dispose() => _arrived.Dispose();

    private unsafe void Receive()
    {
        nuint capacity = WorkerAssignment.PacketBytesMax;
        var buffer = (byte*)NativeMemory.Alloc(capacity);
        var controlBytes = sizeof(Native.ControlHeader) + (DescriptorsMax * sizeof(int));
        var control = stackalloc byte[controlBytes];
        while (true)
        {
            var vector = new Native.Vector { Base = buffer, Length = capacity };
            var header = new Native.MessageHeader { Vectors = &vector, VectorCount = 1, Control = control, ControlLength = (nuint)controlBytes };
            var read = Native.ReceiveMessage(Descriptor, &header, Native.MsgCmsgCloseOnExec);
            if (read < 0 && Marshal.GetLastPInvokeError() == Native.InterruptedCall)
            {
                continue;
            }

            // End of file, a broken socket, a packet that was cut, or a second assignment: in each case this worker has no owner to obey.
            if (read <= 0 || (header.Flags & (Native.MsgTruncated | Native.MsgControlTruncated)) != 0 || _assigned is not null)
            {
                Native.ExitAtOnce(0);
            }

            _assigned = new Assigned(new ReadOnlySpan<byte>(buffer, (int)read).ToArray(), Descriptors(&header));
            capacity = 1; // Nothing but the end of file is awaited from here on.
            buffer = (byte*)NativeMemory.Realloc(buffer, capacity);
            _arrived.Set();
        }
    }

    private static unsafe ImmutableArray<int> Descriptors(Native.MessageHeader* message)
    {
        if (message->ControlLength < (nuint)sizeof(Native.ControlHeader))
        {
            return [];
        }

        var header = (Native.ControlHeader*)message->Control;
        if (header->Level != Native.SolSocket || header->Type != Native.ScmRights)
        {
            return [];
        }

        var count = ((int)header->Length - sizeof(Native.ControlHeader)) / sizeof(int);
        return [.. new ReadOnlySpan<int>(header + 1, count)];
    }
}
