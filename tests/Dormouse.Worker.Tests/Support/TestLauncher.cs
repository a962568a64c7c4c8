using System.Diagnostics;
using System.Globalization;
using System.Net.Sockets;
using System.Text.Json;
using Dormouse.Protocol.Launching;

namespace Dormouse.Worker.Tests.Support;

/// <summary>Starts the real worker program the way the launcher does: control socket as descriptor 3, files as passed descriptors.</summary>
internal sealed class TestLauncher : IAsyncDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(3);

    private readonly Process _process;
    private readonly DirectoryInfo _folder;
    private readonly Task<string> _errors;
    private int _control;

    private TestLauncher(Process process, int control, DirectoryInfo folder, string socketPath)
    {
        _process = process;
        _control = control;
        _folder = folder;
        _errors = process.StandardError.ReadToEndAsync();
        Client = new HttpClient(new SocketsHttpHandler
        {
            ConnectCallback = async (_, cancellationToken) =>
            {
                var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
                await socket.ConnectAsync(new UnixDomainSocketEndPoint(socketPath), cancellationToken);
                return new NetworkStream(socket, ownsSocket: true);
            },
        })
        { BaseAddress = new Uri("http://worker/"), Timeout = Patience };
        SocketPath = socketPath;
    }

    internal HttpClient Client { get; }

    internal string SocketPath { get; }

    internal int ProcessId => _process.Id;

    internal WorkerHello Hello { get; private set; } = null!; // Set before anybody gets this object.

    /// <summary>Path of the worker under test: DORMOUSE_WORKER_PATH, or what the build made.</summary>
    internal static string WorkerPath { get; } = Environment.GetEnvironmentVariable("DORMOUSE_WORKER_PATH")
        ?? Path.GetFullPath(Path.Combine(AppContext.BaseDirectory, "..", "..", "Dormouse.Worker", BuildFolder(), "dormouse-worker"));

    /// <summary>A generic worker that has said hello.</summary>
    internal static async Task<TestLauncher> StartAsync(params (string Name, string Value)[] environment)
    {
        var folder = Directory.CreateTempSubdirectory("dmw");
        var socketPath = Path.Combine(folder.FullName, "s");
        var (ours, inherited) = LibC.SocketPair(Patience);
        var command = WorkerPath.EndsWith(".dll", StringComparison.Ordinal) ? "exec dotnet \"$0\"" : "exec \"$0\"";
        var start = new ProcessStartInfo("/bin/bash")
        {
            ArgumentList = { "-c", string.Create(CultureInfo.InvariantCulture, $"{command} --socket \"$1\" 3<&{inherited}"), WorkerPath, socketPath },
            RedirectStandardError = true,
        };
        start.Environment["ORT_DISABLE_TELEMETRY"] = "1";
        foreach (var (name, value) in environment)
        {
            start.Environment[name] = value;
        }

        var process = Process.Start(start)!;
        LibC.Close(inherited);
        var launcher = new TestLauncher(process, ours, folder, socketPath);
        launcher.Hello = await launcher.ReceiveAsync<WorkerHello>();
        return launcher;
    }

    internal void Assign(WorkerAssignment assignment, params ReadOnlySpan<int> descriptors) =>
        LibC.Send(_control, JsonSerializer.SerializeToUtf8Bytes(assignment, WorkerJson.Default.WorkerAssignment), descriptors);

    internal void SendRaw(ReadOnlySpan<byte> packet) => LibC.Send(_control, packet, []);

    internal async Task<WorkerMessage> ReceiveAsync()
    {
        var packet = await Task.Run(() => LibC.Receive(_control, WorkerAssignment.PacketBytesMax));
        if (packet.Length == 0)
        {
            throw new IOException("The worker closed its control socket. Standard error: " + await _errors);
        }

        return JsonSerializer.Deserialize(packet, WorkerJson.Default.WorkerMessage)!;
    }

    internal async Task<T> ReceiveAsync<T>()
        where T : WorkerMessage
    {
        var message = await ReceiveAsync();
        return message as T ?? throw new InvalidOperationException($"Expected {typeof(T).Name}, but the worker said: {message}");
    }

    /// <summary>Closes the control socket, as a launcher that dies does.</summary>
    internal void CloseControl()
    {
        if (_control >= 0)
        {
            LibC.Close(_control);
            _control = -1;
        }
    }

    internal async Task<int> WaitForExitAsync()
    {
        using var patience = new CancellationTokenSource(Patience);
        await _process.WaitForExitAsync(patience.Token);
        return _process.ExitCode;
    }

    public async ValueTask DisposeAsync()
    {
        CloseControl();
        Client.Dispose();
        try
        {
            await WaitForExitAsync();
        }
        catch (OperationCanceledException)
        {
            _process.Kill();
            throw new InvalidOperationException("The worker did not end with its control socket.");
        }
        finally
        {
            _process.Dispose();
            _folder.Delete(recursive: true);
        }
    }

    // artifacts/bin/Dormouse.Worker.Tests/debug → artifacts/bin/Dormouse.Worker/debug_linux-x64
    private static string BuildFolder()
    {
        var configuration = new DirectoryInfo(AppContext.BaseDirectory).Name;
        var bin = new DirectoryInfo(Path.Combine(AppContext.BaseDirectory, "..", "..", "Dormouse.Worker"));
        return bin.EnumerateDirectories(configuration + "*").First(d => File.Exists(Path.Combine(d.FullName, "dormouse-worker"))).Name;
    }
}
