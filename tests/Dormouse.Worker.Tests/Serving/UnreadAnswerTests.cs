using System.Globalization;
using System.Net.Sockets;
using System.Text;
using Dormouse.Protocol.Launching;
using Dormouse.Worker.Tests.Support;

namespace Dormouse.Worker.Tests.Serving;

/// <summary>Callers who ask for much and do not read it.</summary>
public sealed class UnreadAnswerTests
{
    private const int MemoryMib = 64;
    private const int AnswerBytes = 20 << 20; // More than a quarter of the memory.

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task While_answers_of_a_quarter_of_the_memory_are_unread_the_next_run_is_refused_and_served_once_they_are_read()
    {
        using var folder = new ModelFolder(Onnx.Identity(Onnx.Uint8, "n"));
        await using var worker = await TestLauncher.StartAsync();
        Assert.IsType<WorkerReady>(await folder.ServeAsync(worker, change: a => a with { MemoryMib = MemoryMib, Concurrency = 2 }));
        using var slow = await AskAsync(worker);

        var refused = await InferCall.BinaryAsync(worker, [new TestTensor("x", "UINT8", [1], [7])]);
        Assert.Equal("capacity_exhausted", refused.Code);
        Assert.Contains($"{MemoryMib} MiB", refused.Detail, StringComparison.Ordinal);

        await ReadRestAsync(slow);
        var served = await InferCall.BinaryAsync(worker, [new TestTensor("x", "UINT8", [1], [7])]);
        Assert.Equal([7], served.Outputs["y"].Data);
    }

    /// <summary>Sends a request and reads the first bytes of its answer: the run has ended and the answer is on its way.</summary>
    private static async Task<Socket> AskAsync(TestLauncher worker)
    {
        var json = $$"""{"inputs":[{"name":"x","shape":[{{AnswerBytes}}],"datatype":"UINT8","parameters":{"binary_data_size":{{AnswerBytes}} } }],"parameters":{"binary_data_output":true} }""";
        var head = string.Create(
            CultureInfo.InvariantCulture,
            $"POST /infer HTTP/1.1\r\nHost: w\r\nConnection: close\r\nInference-Header-Content-Length: {json.Length}\r\nContent-Length: {json.Length + AnswerBytes}\r\n\r\n{json}");
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        await socket.ConnectAsync(new UnixDomainSocketEndPoint(worker.SocketPath), Cancellation);
        await SendAsync(socket, Encoding.ASCII.GetBytes(head));
        await SendAsync(socket, new byte[AnswerBytes]);
        var first = new byte[12];
        await socket.ReceiveAsync(first, Cancellation);
        Assert.Equal("HTTP/1.1 200", Encoding.ASCII.GetString(first));
        return socket;
    }

    private static async Task SendAsync(Socket socket, ReadOnlyMemory<byte> bytes)
    {
        while (bytes.Length > 0)
        {
            bytes = bytes[await socket.SendAsync(bytes, Cancellation)..];
        }
    }

    private static async Task ReadRestAsync(Socket socket)
    {
        var buffer = new byte[1 << 16];
        while (await socket.ReceiveAsync(buffer, Cancellation) > 0)
        {
        }
    }
}
