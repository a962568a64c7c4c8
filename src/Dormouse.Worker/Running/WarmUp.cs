using System.Globalization;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using Dormouse.Protocol.Launching;
using Dormouse.Worker.Control;
using Dormouse.Worker.Engine;
using Dormouse.Worker.Http;
using Microsoft.Win32.SafeHandles;

namespace Dormouse.Worker.Running;

/// <summary>
/// Rehearses a start with a tiny model of its own: the assignment is read, the optimised file loaded in place and served once as JSON and once as
/// binary tensors over the worker's own socket, so that the real start finds every page of code it needs in memory.
/// </summary>
internal static class WarmUp
{
    private const string Json = """{"inputs":[{"name":"x","shape":[1,1,4,4],"datatype":"FP32","data":[0,1.5,2,-3,4e0,5,6,7,8,9,10,11,12,13,14,15]}]}""";

    private const string Binary =
        """{"inputs":[{"name":"x","shape":[1,1,4,4],"datatype":"FP32","parameters":{"binary_data_size":64}}],"parameters":{"binary_data_output":true}}""";

    internal static void Run(WorkerServer server, string socketPath, TimeProvider time)
    {
        using var original = Native.AnonymousFile("warm.onnx");
        using var optimised = Native.AnonymousFile("warm.ort");
        // The process's own descriptors as the package's folder: the original is in it under its number.
        using var folder = Native.OpenFolder("/proc/self/fd");
        RandomAccess.Write(original, WarmModel.Bytes, 0);
        var assignment = Assignment(Number(original));
        SessionLoader.FromOriginalSaving(SessionLoader.PathOf(Number(original)), EngineSettings.Parse(1, assignment.Engine), Number(optimised)).Dispose();
        var (model, ready) = InstanceStart.Load(assignment, signature: null, Number(folder), Number(optimised), time);
        using var instance = new Instance(model, new InstanceLoad(RunsAtOnce: 1), assignment.MemoryMib, time);
        _ = ControlSocket.Pack(ready);
        server.Rehearsal = instance;
        Ask(socketPath, Encoding.ASCII.GetBytes($"POST {WorkerApplication.RehearsalPath} HTTP/1.1\r\nHost: w\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {Json.Length}\r\n\r\n{Json}"));
        Ask(socketPath,
        [
            .. Encoding.ASCII.GetBytes($"POST {WorkerApplication.RehearsalPath} HTTP/1.1\r\nHost: w\r\nConnection: close\r\nContent-Type: application/octet-stream\r\nInference-Header-Content-Length: {Binary.Length}\r\nContent-Length: {Binary.Length + 64}\r\n\r\n{Binary}"),
            .. new byte[64],
        ]);
        server.Rehearsal = null;
    }

    // As it comes from the launcher, so that reading it is rehearsed too.
    private static ServeAssignment Assignment(int model)
    {
        WorkerAssignment written = new ServeAssignment { FolderDescriptor = 0, OptimisedDescriptor = 1, ModelPath = model.ToString(CultureInfo.InvariantCulture), Concurrency = 1, Threads = 1, MemoryMib = 64 };
        var json = JsonSerializer.SerializeToUtf8Bytes(written, WorkerJson.Default.WorkerAssignment);
        return (ServeAssignment)new ControlSocket.Assigned(json, []).Parse();
    }

    private static int Number(SafeFileHandle handle) => (int)handle.DangerousGetHandle();

    private static void Ask(string socketPath, byte[] request)
    {
        using var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        socket.Connect(new UnixDomainSocketEndPoint(socketPath));
        socket.Send(request);
        var answer = new byte[2048];
        var length = 0;
        int read;
        while (length < answer.Length && (read = socket.Receive(answer, length, answer.Length - length, SocketFlags.None)) > 0)
        {
            length += read;
        }

        var text = Encoding.UTF8.GetString(answer, 0, length);
        if (!text.StartsWith("HTTP/1.1 200", StringComparison.Ordinal))
        {
            throw new InvalidOperationException("The worker cannot answer its own warm-up request: " + text);
        }
    }
}
