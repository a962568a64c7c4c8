using System.Diagnostics;
using System.Net.Sockets;
using Dormouse.Cli.Commands;
using Dormouse.Cli.Terminal;
using Microsoft.AspNetCore.Http;

namespace Dormouse.Cli.Tests.LocalFiles;

/// <summary>Pipes, devices and sockets where a file is meant.</summary>
public sealed class PipeTests : IAsyncLifetime
{
    private static readonly TimeSpan Limit = TimeSpan.FromMinutes(3);

    private readonly List<string> _pipes = [];
    private FakeServer _server = null!;
    private Shell _shell = null!;

    public async ValueTask InitializeAsync()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "Pipes in the file system are tested on Linux.");
        _server = await FakeServer.StartAsync();
        _shell = new Shell(_server);
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var pipe in _pipes)
        {
            // Opened for both ends, which never waits: whoever still waits for a writer goes on.
            using var both = new FileStream(pipe, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite);
        }

        _shell?.Dispose();
        await (_server?.DisposeAsync() ?? ValueTask.CompletedTask);
    }

    [Theory]
    [InlineData("deploy {0}")]
    [InlineData("deploy {0} --name digits -o json")]
    [InlineData("deploy folder")]
    [InlineData("deploy good.onnx --labels {0}")]
    public async Task A_pipe_is_no_source_of_a_deploy(string line)
    {
        var pipe = await PipeAsync("folder/model.onnx");
        _shell.Write("good.onnx", "model");

        var result = await RunAsync(line.Replace("folder", Path.Combine(_shell.Folder, "folder"), StringComparison.Ordinal)
            .Replace("good", Path.Combine(_shell.Folder, "good"), StringComparison.Ordinal).Replace("{0}", pipe, StringComparison.Ordinal));

        Assert.Equal(ExitCodes.Refused, result.Code);
        Assert.Contains("is a pipe", result.Error, StringComparison.Ordinal);
        Assert.Empty(_server.Requests);
    }

    [Fact]
    public async Task A_device_and_a_socket_are_no_source_of_a_deploy()
    {
        var path = Path.Combine(_shell.Folder, "model.sock");
        using var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        socket.Bind(new UnixDomainSocketEndPoint(path));

        var device = await RunAsync("deploy /dev/zero --name digits");
        var bound = await RunAsync("deploy " + path);

        Assert.Equal((ExitCodes.Refused, ExitCodes.Refused), (device.Code, bound.Code));
        Assert.Contains("'/dev/zero' is a device, and a model is read more than once. Write it into a file", device.Error, StringComparison.Ordinal);
        Assert.Contains("is a socket", bound.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_pipe_is_sent_whole_by_invoke()
    {
        var pipe = await PipeAsync("picture");
        (string? Type, long? Length) sent = default;
        _server.Handlers["digits"] = context =>
        {
            sent = (context.Request.ContentType, context.Request.ContentLength);
            return context.Response.WriteAsync("seen");
        };
        var writing = WriteAsync(pipe, [0x89, 0x50, 0x4E, 0x47, .. new byte[100_000]]);

        var result = (await RunAsync($"invoke digits --file {pipe}")).Done();
        await writing;

        Assert.Equal("seen", result.Out);
        Assert.Equal(("image/png", 100_004), sent);
    }

    [Fact]
    public async Task An_endless_device_is_refused_by_invoke()
    {
        var result = await RunAsync("invoke digits --file /dev/zero");

        Assert.Equal(ExitCodes.Refused, result.Code);
        Assert.Contains("'/dev/zero' gives more than 268 MB", result.Error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("invoke digits --file {0}")]
    [InlineData("invoke digits --json @{0}")]
    [InlineData("apply -f {0}")]
    [InlineData("diff -f {0}")]
    [InlineData("simulate --kpa {0}")]
    public async Task A_pipe_without_a_writer_ends_with_the_interruption(string line)
    {
        var pipe = await PipeAsync("silent");

        Assert.Equal(ExitCodes.Interrupted, await InterruptedAsync(line, pipe, _ => Task.CompletedTask));
    }

    [Theory]
    [InlineData("invoke digits --file {0}")]
    [InlineData("apply -f {0}")]
    public async Task A_pipe_whose_writer_is_silent_ends_with_the_interruption(string line)
    {
        var pipe = await PipeAsync("silent");
        Stream? writer = null;

        // The other end opens when the command has opened its own.
        var code = await InterruptedAsync(line, pipe, async cancellationToken => writer = await Task.Run(() => OpenWrite(pipe), cancellationToken));

        Assert.Equal(ExitCodes.Interrupted, code);
        await writer!.DisposeAsync();
    }

    [Fact]
    public async Task The_wanted_state_may_come_through_a_pipe()
    {
        _shell.Write("digits/model.onnx", "model");
        var pipe = await PipeAsync("wanted");
        var writing = WriteAsync(pipe, "endpoints: { digits: { source: digits } }"u8.ToArray());

        (await RunAsync($"apply -f {pipe}")).Done();
        await writing;

        Assert.Single(_server.Endpoint("digits").Revisions);
    }

    private static FileStream OpenWrite(string pipe) => new(pipe, FileMode.Open, FileAccess.Write, FileShare.ReadWrite);

    private static Task WriteAsync(string pipe, byte[] content) => Task.Run(
        () =>
        {
            using var writer = OpenWrite(pipe);
            writer.Write(content);
        },
        TestContext.Current.CancellationToken);

    /// <summary>On another thread: a command that blocks must fail the test, not stop it.</summary>
    private Task<Result> RunAsync(string line) =>
        Task.Run(() => _shell.RunAsync(line.Split(' ')), TestContext.Current.CancellationToken).WaitAsync(Limit, TestContext.Current.CancellationToken);

    private async Task<int> InterruptedAsync(string line, string pipe, Func<CancellationToken, Task> ready)
    {
        using var interrupt = new CancellationTokenSource();
        var command = Task.Run(
            () => CommandLine.RunAsync(
                line.Replace("{0}", pipe, StringComparison.Ordinal).Split(' '), _shell.Surroundings(TextWriter.Null, TextWriter.Null, Stream.Null), interrupt.Token),
            TestContext.Current.CancellationToken);
        await ready(TestContext.Current.CancellationToken).WaitAsync(Limit, TestContext.Current.CancellationToken);
        await interrupt.CancelAsync();
        return await command.WaitAsync(Limit, TestContext.Current.CancellationToken);
    }

    private async Task<string> PipeAsync(string name)
    {
        var path = Path.Combine(_shell.Folder, name);
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        using var process = Process.Start("mkfifo", path);
        await process.WaitForExitAsync(TestContext.Current.CancellationToken);
        Assert.Equal(0, process.ExitCode);
        _pipes.Add(path);
        return path;
    }
}
