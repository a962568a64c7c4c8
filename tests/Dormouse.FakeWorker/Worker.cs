using System.Diagnostics;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using System.Text;
using Dormouse.Protocol.Inference;
using Dormouse.Protocol.Launching;

namespace Dormouse.FakeWorker;

/// <summary>One life of a fake worker. Serves plain bytes on its socket: whatever connects is sent what the assignment's files hold.</summary>
internal static class Worker
{
    private const string EngineKey = "fake-1";

    public static Func<Socket> ListenOn(string socketPath) => () =>
    {
        var listener = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        listener.Bind(new UnixDomainSocketEndPoint(socketPath));
        listener.Listen();
        return listener;
    };

    /// <summary>A sandboxed worker is given its socket.</summary>
    public static Func<Socket> ListenerOf(string descriptor) => () => new Socket(new SafeSocketHandle(nint.Parse(descriptor, null), ownsHandle: true)) { Blocking = true };

    public static int Run(Func<Socket> listen)
    {
        switch (Environment.GetEnvironmentVariable("FAKE_START"))
        {
            case "crash":
                return 7;
            case "hang":
                Forever();
                break;
            case "garbage":
                ControlSocket.SendRaw("this is no message"u8);
                Forever();
                break;
            case "flood":
                while (true)
                    ControlSocket.Send(new WorkerHello(EngineKey, "jit"));
        }

        using var listener = listen();
        ControlSocket.Send(new WorkerHello(EngineKey, "jit"));
        if (ControlSocket.Receive() is not { } received)
            return 0;
        if (received.Assignment is ServeAssignment serve)
            Serve(serve, received.Descriptors, listener);
        else if (received.Assignment is InspectAssignment inspect)
            Inspect(inspect, received.Descriptors);
        return 0;
    }

    private static void Serve(ServeAssignment serve, int[] descriptors, Socket listener)
    {
        var behaviour = serve.Environment.GetValueOrDefault("FAKE", "ready");
        switch (behaviour)
        {
            case "refuse":
                ControlSocket.Send(new WorkerRefused("It is not a model."));
                Forever();
                break;
            case "crash-loading":
                ControlSocket.Exit(9);
                break;
            case "eat-loading":
                Eat();
                break;
            case "hang":
                Console.WriteLine($"hanging {Environment.ProcessId}");
                Forever();
                break;
        }

        var text = ReadFile($"/proc/self/fd/{descriptors[serve.FolderDescriptor]}/{serve.ModelPath}");
        if (behaviour == "grandchild")
        {
            // In a session of its own, so that no process group holds it, and with its output still on ours.
            using var child = Process.Start(new ProcessStartInfo("/usr/bin/setsid") { ArgumentList = { "sleep", "1000" } });
            Console.WriteLine($"grandchild {child?.Id}");
        }

        if (behaviour == "chatter")
        {
            for (var i = 0; i < 5000; i++)
                Console.WriteLine($"line {i} " + new string('x', i == 0 ? 10_000 : 100));
        }

        if (behaviour == "look-around")
            LookAround(descriptors[serve.FolderDescriptor]);

        ControlSocket.Send(new WorkerReady(1500, new ModelInterface { Platform = "fake", Inputs = [], Outputs = [] }, serve.OptimisedDescriptor is not null));
        WatchForEnd(behaviour);
        while (true)
        {
            using var connection = listener.Accept();
            var request = new byte[64];
            var asked = Encoding.UTF8.GetString(request.AsSpan(0, connection.Receive(request)));
            switch (asked)
            {
                case "crash":
                    ControlSocket.Exit(3);
                    break;
                case "eat":
                    Eat();
                    break;
                default:
                    // Read when asked, not before: by then the file may have lost its name.
                    var optimised = serve.OptimisedDescriptor is { } index ? ReadFile($"/proc/self/fd/{descriptors[index]}") : "";
                    connection.Send(Encoding.UTF8.GetBytes($"{text}|{optimised}"));
                    break;
            }
        }
    }

    private static void Inspect(InspectAssignment inspect, int[] descriptors)
    {
        // What is in the "model" says how to behave.
        var model = ReadFile($"/proc/self/fd/{descriptors[inspect.FolderDescriptor]}/{inspect.ModelPath}");
        switch (model)
        {
            case "hang":
                Forever();
                break;
            case "eat":
                Eat();
                break;
            case "crash":
                ControlSocket.Exit(4);
                break;
            case "refuse":
                ControlSocket.Send(new WorkerRefused("It is not a model."));
                return;
        }

        if (inspect.OutputDescriptor is { } output)
            File.WriteAllText($"/proc/self/fd/{descriptors[output]}", "optimised " + model);
        ControlSocket.Send(new WorkerInspected(
            new ModelInterface { Platform = "fake", Inputs = [], Outputs = [] }, 700, inspect.OutputDescriptor is not null, null));
    }

    /// <summary>Says what it sees of the machine, one word and its value a line.</summary>
    private static void LookAround(int folder)
    {
        Console.WriteLine("user " + File.ReadLines("/proc/self/status").First(line => line.StartsWith("Uid:", StringComparison.Ordinal)).Split('\t')[1]);
        // By another program: the base library takes ".." off a path before anything is opened.
        using var list = Process.Start(new ProcessStartInfo("/bin/ls") { ArgumentList = { $"/proc/{Environment.ProcessId}/fd/{folder}/.." }, RedirectStandardOutput = true });
        Console.WriteLine("above " + list?.StandardOutput.ReadToEnd().Trim().ReplaceLineEndings(","));
        Console.WriteLine("descriptors " + string.Join(',', Directory.GetFileSystemEntries("/proc/self/fd").Select(path => new FileInfo(path).LinkTarget).Where(path => path?.StartsWith('/') == true && !path.StartsWith("/proc/", StringComparison.Ordinal)).Distinct()));
        Console.WriteLine("processes " + Directory.GetDirectories("/proc").Count(path => int.TryParse(Path.GetFileName(path), out _)));
        Console.WriteLine("memory " + File.ReadAllText(File.Exists("/sys/fs/cgroup/memory.max") ? "/sys/fs/cgroup/memory.max" : "/sys/fs/cgroup/memory/memory.limit_in_bytes").Trim());
        Console.WriteLine("write " + Try(() => File.WriteAllText($"/proc/self/fd/{folder}/digits.onnx", "x")));
        Console.WriteLine("environment " + string.Join(',', Environment.GetEnvironmentVariables().Keys.Cast<string>().Order(StringComparer.Ordinal)));
        Console.WriteLine("done .");
    }

    private static string Try(Action action)
    {
        try
        {
            action();
            return "done";
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return "refused";
        }
    }

    /// <summary>A good worker ends with its control socket; one that ignores everything must be killed by someone else.</summary>
    private static void WatchForEnd(string behaviour)
    {
        if (behaviour == "deaf")
            return;
        new Thread(() =>
        {
            ControlSocket.Receive();
            ControlSocket.Exit(0);
        })
        { IsBackground = true }.Start();
    }

    private static unsafe void Eat()
    {
        const int Piece = 8 << 20;
        while (true)
            new Span<byte>(NativeMemory.Alloc(Piece), Piece).Fill(1);
    }

    private static string ReadFile(string path) => File.ReadAllText(path);

    private static void Forever() => new ManualResetEvent(false).WaitOne();
}
