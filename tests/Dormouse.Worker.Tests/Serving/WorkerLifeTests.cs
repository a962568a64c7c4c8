using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Dormouse.Protocol.Launching;
using Dormouse.Worker.Tests.Support;

namespace Dormouse.Worker.Tests.Serving;

/// <summary>A worker from its start to its end, whoever causes it.</summary>
public sealed class WorkerLifeTests
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_worker_says_hello_with_a_key_that_can_be_a_file_name()
    {
        await using var worker = await TestLauncher.StartAsync();

        Assert.Matches(@"^ort1\.31\.1-[a-z0-9-]+-[0-9a-f]{8}-r\d+$", worker.Hello.EngineKey);
        Assert.Contains(worker.Hello.Build, new[] { "aot", "jit" });
    }

    [Fact]
    public async Task The_key_is_the_same_in_every_worker_of_a_machine()
    {
        await using var one = await TestLauncher.StartAsync();
        await using var two = await TestLauncher.StartAsync();

        Assert.Equal(one.Hello.EngineKey, two.Hello.EngineKey);
    }

    [Fact]
    public async Task A_generic_worker_ends_when_its_control_socket_closes()
    {
        await using var worker = await TestLauncher.StartAsync();

        worker.CloseControl();

        Assert.Equal(0, await worker.WaitForExitAsync());
    }

    [Fact]
    public async Task A_serving_worker_ends_when_its_control_socket_closes()
    {
        using var folder = new ModelFolder(Onnx.Identity(Onnx.Float, 1));
        await using var worker = await TestLauncher.StartAsync();
        Assert.IsType<WorkerReady>(await folder.ServeAsync(worker));

        worker.CloseControl();

        Assert.Equal(0, await worker.WaitForExitAsync());
    }

    [Fact]
    public async Task Without_a_control_socket_a_worker_says_so_and_ends_with_code_2()
    {
        var start = new ProcessStartInfo("/bin/bash") { RedirectStandardError = true };
        start.ArgumentList.Add("-c");
        start.ArgumentList.Add("exec \"$0\" --socket /tmp/never 3<&-");
        start.ArgumentList.Add(TestLauncher.WorkerPath);
        using var process = Process.Start(start)!;

        var errors = await process.StandardError.ReadToEndAsync(Cancellation);
        await process.WaitForExitAsync(Cancellation);

        Assert.Equal(2, process.ExitCode);
        Assert.Contains("descriptor 3 is not a control socket", errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_generic_worker_refuses_inferences_and_is_not_healthy()
    {
        await using var worker = await TestLauncher.StartAsync();

        var health = await worker.Client.GetAsync("health", Cancellation);
        using var nothing = new ByteArrayContent([]);
        var infer = await worker.Client.PostAsync("infer", nothing, Cancellation);

        Assert.Equal(HttpStatusCode.ServiceUnavailable, health.StatusCode);
        Assert.Equal(HttpStatusCode.ServiceUnavailable, infer.StatusCode);
    }

    [Fact]
    public async Task A_worker_that_rehearses_a_start_is_still_generic()
    {
        await using var worker = await TestLauncher.StartAsync();

        // It rehearses within the first half second; each of these questions meets another part of that.
        var clock = Stopwatch.StartNew();
        while (clock.Elapsed < TimeSpan.FromSeconds(1))
        {
            Assert.Equal(HttpStatusCode.ServiceUnavailable, (await worker.Client.GetAsync("health", Cancellation)).StatusCode);
        }
    }

    [Fact]
    public async Task An_instance_is_healthy_once_it_has_said_ready()
    {
        using var folder = new ModelFolder(Onnx.Identity(Onnx.Float, 1));
        await using var worker = await TestLauncher.StartAsync();
        var ready = Assert.IsType<WorkerReady>(await folder.ServeAsync(worker));

        Assert.False(ready.UsedOptimised);
        Assert.Equal(HttpStatusCode.OK, (await worker.Client.GetAsync("health", Cancellation)).StatusCode);
    }

    [Fact]
    public async Task An_idle_connection_stays_open()
    {
        using var folder = new ModelFolder(Onnx.Identity(Onnx.Float, 1));
        await using var worker = await TestLauncher.StartAsync();
        Assert.IsType<WorkerReady>(await folder.ServeAsync(worker));
        using var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        await socket.ConnectAsync(new UnixDomainSocketEndPoint(worker.SocketPath), Cancellation);
        Assert.StartsWith("HTTP/1.1 200", await AskHealthAsync(socket), StringComparison.Ordinal);

        // The HTTP server looks for connections that were idle too long once a second. One that it closes can be read to its end.
        using var looks = CancellationTokenSource.CreateLinkedTokenSource(Cancellation);
        looks.CancelAfter(TimeSpan.FromSeconds(2.5));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () => await socket.ReceiveAsync(new byte[1], looks.Token));
        Assert.StartsWith("HTTP/1.1 200", await AskHealthAsync(socket), StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_instance_uses_the_optimised_file_that_an_inspection_made()
    {
        using var folder = new ModelFolder(Onnx.Identity(Onnx.Float, 1));
        Assert.IsType<WorkerInspected>(await folder.InspectAsync());
        await using var worker = await TestLauncher.StartAsync();

        var ready = Assert.IsType<WorkerReady>(await folder.ServeAsync(worker, optimised: true));

        Assert.True(ready.UsedOptimised);
        Assert.False(ready.RefusedOptimised);
    }

    [Fact]
    public async Task A_damaged_optimised_file_is_passed_over_for_the_original()
    {
        using var folder = new ModelFolder(Onnx.Identity(Onnx.Float, 1));
        await File.WriteAllBytesAsync(folder.Optimised, new byte[4096], Cancellation);
        await using var worker = await TestLauncher.StartAsync();

        var ready = Assert.IsType<WorkerReady>(await folder.ServeAsync(worker, optimised: true));

        Assert.False(ready.UsedOptimised);
        Assert.True(ready.RefusedOptimised);
    }

    [Fact]
    public async Task An_assignment_that_cannot_be_read_is_refused()
    {
        await using var worker = await TestLauncher.StartAsync();

        worker.SendRaw("""{"type":"dance"}"""u8);

        Assert.IsType<WorkerRefused>(await worker.ReceiveAsync());
        Assert.Equal(0, await worker.WaitForExitAsync());
    }

    [Fact]
    public async Task A_descriptor_that_did_not_come_is_refused()
    {
        await using var worker = await TestLauncher.StartAsync();

        worker.Assign(new InspectAssignment { FolderDescriptor = 3, ModelPath = "model.onnx" });

        Assert.IsType<WorkerRefused>(await worker.ReceiveAsync());
    }

    [Fact]
    public async Task A_second_assignment_ends_the_worker()
    {
        using var folder = new ModelFolder(Onnx.Identity(Onnx.Float, 1));
        await using var worker = await TestLauncher.StartAsync();
        Assert.IsType<WorkerReady>(await folder.ServeAsync(worker));

        worker.Assign(new InspectAssignment { FolderDescriptor = 0, ModelPath = "model.onnx" });

        Assert.Equal(0, await worker.WaitForExitAsync());
    }

    [Fact]
    public async Task The_engines_telemetry_leaves_no_file_and_no_thread()
    {
        var home = Directory.CreateTempSubdirectory("dmh");
        try
        {
            using var folder = new ModelFolder(Onnx.Identity(Onnx.Float, 1));
            await using var worker = await TestLauncher.StartAsync(("HOME", home.FullName), ("XDG_CACHE_HOME", Path.Combine(home.FullName, ".cache")));
            Assert.IsType<WorkerReady>(await folder.ServeAsync(worker));

            Assert.DoesNotContain(
                Directory.EnumerateFileSystemEntries(home.FullName, "*", SearchOption.AllDirectories),
                path => path.Contains("Microsoft", StringComparison.Ordinal) || path.Contains("onnx", StringComparison.OrdinalIgnoreCase));
            var threads = Directory.EnumerateDirectories($"/proc/{worker.ProcessId}/task").Select(NameOf).ToList();
            Assert.DoesNotContain(threads, t => t.Contains("telemetry", StringComparison.OrdinalIgnoreCase) || t.Contains("1ds", StringComparison.OrdinalIgnoreCase));
        }
        finally
        {
            home.Delete(recursive: true);
        }
    }

    [Fact]
    public async Task A_worker_that_was_started_without_the_switch_sets_it_itself()
    {
        var home = Directory.CreateTempSubdirectory("dmh");
        try
        {
            await using var worker = await TestLauncher.StartAsync(("HOME", home.FullName), ("ORT_DISABLE_TELEMETRY", "0"));
            Assert.False(Directory.Exists(Path.Combine(home.FullName, ".cache", "Microsoft", "DeveloperTools")));
        }
        finally
        {
            home.Delete(recursive: true);
        }
    }

    /// <summary>One request on a connection that is kept; what came of its answer at first, empty when the connection was closed.</summary>
    private static async Task<string> AskHealthAsync(Socket socket)
    {
        await socket.SendAsync("GET /health HTTP/1.1\r\nHost: worker\r\n\r\n"u8.ToArray(), Cancellation);
        var answer = new byte[4096];
        var received = 0;
        // The answer's body is the end of it.
        while (!Encoding.ASCII.GetString(answer, 0, received).EndsWith('}'))
        {
            var read = await socket.ReceiveAsync(answer.AsMemory(received), Cancellation);
            if (read == 0)
            {
                break;
            }

            received += read;
        }

        return Encoding.ASCII.GetString(answer, 0, received);
    }

    /// <summary>Empty for a thread that has ended since it was listed.</summary>
    private static string NameOf(string thread)
    {
        try
        {
            return File.ReadAllText(Path.Combine(thread, "comm")).Trim();
        }
        catch (IOException)
        {
            return "";
        }
    }
}
