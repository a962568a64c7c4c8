using System.Collections.Immutable;
using System.Net.Sockets;
using System.Text;
using Dormouse.Worker.Engine;
using Dormouse.Worker.Http;
using Microsoft.ML.OnnxRuntime;

namespace Dormouse.Worker.Running;

/// <summary>
/// Serves a tiny model to itself once over the worker's own socket, as JSON and as binary tensors, so that the first real request finds every
/// page of code it needs in memory.
/// </summary>
internal static class WarmUp
{
    private const string Json = """{"inputs":[{"name":"x","shape":[1,1,4,4],"datatype":"FP32","data":[0,1.5,2,-3,4e0,5,6,7,8,9,10,11,12,13,14,15]}]}""";

    private const string Binary =
        """{"inputs":[{"name":"x","shape":[1,1,4,4],"datatype":"FP32","parameters":{"binary_data_size":64}}],"parameters":{"binary_data_output":true}}""";

    internal static void Run(WorkerServer server, string socketPath, TimeProvider time)
    {
        var settings = EngineSettings.Parse(1, ImmutableSortedDictionary<string, string>.Empty);
        using var options = settings.ForOriginal();
        using var instance = new Instance(
            LoadedModel.Of(new InferenceSession(WarmModel.Bytes, options), new ModelSurroundings { Threads = 1 }), concurrency: 1, memoryMib: 64, time);
        server.Instance = instance;
        Ask(socketPath, Encoding.ASCII.GetBytes($"POST /infer HTTP/1.1\r\nHost: w\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {Json.Length}\r\n\r\n{Json}"));
        Ask(socketPath,
        [
            .. Encoding.ASCII.GetBytes($"POST /infer HTTP/1.1\r\nHost: w\r\nConnection: close\r\nContent-Type: application/octet-stream\r\nInference-Header-Content-Length: {Binary.Length}\r\nContent-Length: {Binary.Length + 64}\r\n\r\n{Binary}"),
            .. new byte[64],
        ]);
        server.Instance = null;
    }

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
