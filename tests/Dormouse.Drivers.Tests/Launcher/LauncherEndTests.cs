using System.Collections.Immutable;
using System.Diagnostics;
using System.Net.Sockets;
using System.Text.Json;
using Dormouse.Drivers.Launching;
using Dormouse.Drivers.Tests.Support;
using Dormouse.Protocol.Launching;

namespace Dormouse.Drivers.Tests.Launcher;

/// <summary>The launcher alone, without a driver: each way to its end takes along a worker that does nothing by itself.</summary>
public sealed class LauncherEndTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("dmt-").FullName;

    [Theory]
    [InlineData("connection")]
    [InlineData("input")]
    [InlineData("terminate")]
    public async Task It_ends_with_its_workers(string way)
    {
        var cancellationToken = TestContext.Current.CancellationToken;
        using var launcher = StartLauncher();
        using var socket = await ConnectAsync(launcher);
        var stale = Path.Combine(_folder, "w1-1.sock");
        Assert.False(File.Exists(stale), "a stale socket is swept before the launcher listens");
        await SendAsync(socket, new SpawnWorker
        {
            Worker = 1,
            SocketPath = Path.Combine(_folder, "w2-1.sock"),
            Command = ["/bin/sleep", "1000"],
            Environment = ImmutableSortedDictionary<string, string>.Empty,
            Limits = new(64 << 20, 0.5, 8),
        });
        var spawned = Assert.IsType<WorkerSpawned>((await ReadAsync(socket, 2))[1]);
        Assert.True(Machine.IsRunning(spawned.ProcessId));

        switch (way)
        {
            case "connection":
                socket.Close();
                break;
            case "input":
                launcher.StandardInput.Close();
                break;
            default:
                using (var kill = Process.Start("/bin/kill", ["-TERM", $"{launcher.Id}"]))
                    await kill.WaitForExitAsync(cancellationToken);
                break;
        }

        await launcher.WaitForExitAsync(cancellationToken);
        Assert.Equal(0, launcher.ExitCode);
        Assert.False(Machine.IsRunning(spawned.ProcessId));
        Assert.Empty(Directory.GetFiles(_folder));
        Assert.Empty(Machine.CgroupsNamed(Path.GetFileName(_folder)));
    }

    [Fact]
    public async Task Nothing_stays_frozen_when_it_is_killed_and_no_other_comes()
    {
        using var launcher = StartLauncher();
        using var socket = await ConnectAsync(launcher);
        await SendAsync(socket, Sleeper(1, "/bin/sleep", "1000"));
        var events = await ReadAsync(socket, 2);
        if (events[0] is LauncherHello { Freezer: { Works: false } freezer })
        {
            socket.Close();
            await launcher.WaitForExitAsync(TestContext.Current.CancellationToken);
            Assert.Skip(freezer.Reason ?? "");
        }

        var frozen = Assert.IsType<WorkerSpawned>(events[1]).ProcessId;
        // From its own program on it ends with the launcher; before that it is another one, which sees to this.
        await PythonMachine.UntilAsync(() => Machine.ProcessesWith("sleep 1000").GetValueOrDefault(frozen)?.StartsWith("/bin/sleep", StringComparison.Ordinal) == true);
        await SendAsync(socket, new FreezeWorker { Worker = 1 });
        // It takes one order after the other.
        await SendAsync(socket, Sleeper(2, "/nowhere/program"));
        Assert.IsType<WorkerExited>((await ReadAsync(socket, 1))[0]);

        launcher.Kill();
        await launcher.WaitForExitAsync(TestContext.Current.CancellationToken);
        await PythonMachine.UntilAsync(() => !Machine.IsRunning(frozen));

        // Its folders are the next one's to remove.
        using var next = StartLauncher();
        using var connected = await ConnectAsync(next);
        connected.Close();
        await next.WaitForExitAsync(TestContext.Current.CancellationToken);
        Assert.Empty(Machine.CgroupsNamed(Path.GetFileName(_folder)));
    }

    private SpawnWorker Sleeper(long number, params string[] command) => new()
    {
        Worker = number,
        SocketPath = Path.Combine(_folder, $"w2-{number}.sock"),
        Command = [.. command],
        Environment = ImmutableSortedDictionary<string, string>.Empty,
        Limits = new(64 << 20, 0, 8),
    };

    [Fact]
    public async Task A_terminal_interrupt_does_not_end_it()
    {
        var cancellationToken = TestContext.Current.CancellationToken;
        using var launcher = StartLauncher();
        using var socket = await ConnectAsync(launcher);
        await ReadAsync(socket, 1);

        using (var kill = Process.Start("/bin/kill", ["-INT", $"{launcher.Id}"]))
            await kill.WaitForExitAsync(cancellationToken);
        await SendAsync(socket, new SpawnWorker
        {
            Worker = 1,
            SocketPath = Path.Combine(_folder, "w2-1.sock"),
            Command = ["/nowhere/program"],
            Environment = ImmutableSortedDictionary<string, string>.Empty,
            Limits = new(64 << 20, 0, 0),
        });
        var exited = Assert.IsType<WorkerExited>((await ReadAsync(socket, 1))[0]);
        Assert.Contains("its program is not there", exited.Error, StringComparison.Ordinal);

        socket.Close();
        await launcher.WaitForExitAsync(cancellationToken);
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    private Process StartLauncher()
    {
        File.WriteAllText(Path.Combine(_folder, "w1-1.sock"), "");
        var command = ProgramCommand.For(Machine.LauncherPath);
        var start = new ProcessStartInfo(command[0]) { RedirectStandardInput = true, RedirectStandardOutput = true };
        foreach (var argument in (string[])[.. command[1..], "--socket", Path.Combine(_folder, "l.sock"), "--cgroup-name", Path.GetFileName(_folder)])
            start.ArgumentList.Add(argument);
        return Process.Start(start) ?? throw new InvalidOperationException("The launcher was not started.");
    }

    private async Task<Socket> ConnectAsync(Process launcher)
    {
        Assert.Equal("listening", await launcher.StandardOutput.ReadLineAsync(TestContext.Current.CancellationToken));
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        await socket.ConnectAsync(new UnixDomainSocketEndPoint(Path.Combine(_folder, "l.sock")), TestContext.Current.CancellationToken);
        return socket;
    }

    private static async Task SendAsync(Socket socket, LauncherCommand command) =>
        await socket.SendAsync(LauncherFrames.Pack(command, LauncherJson.Default.LauncherCommand), TestContext.Current.CancellationToken);

    private static async Task<List<LauncherEvent?>> ReadAsync(Socket socket, int count)
    {
        var events = new List<LauncherEvent?>();
        using var stream = new NetworkStream(socket, ownsSocket: false);
        while (events.Count < count)
        {
            var header = new byte[LauncherFrames.HeaderBytes];
            await stream.ReadExactlyAsync(header, TestContext.Current.CancellationToken);
            var body = new byte[BitConverter.ToInt32(header)];
            await stream.ReadExactlyAsync(body, TestContext.Current.CancellationToken);
            events.Add(JsonSerializer.Deserialize(body, LauncherJson.Default.LauncherEvent));
        }

        return events;
    }
}
