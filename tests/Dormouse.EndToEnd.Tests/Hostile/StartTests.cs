using System.Buffers.Binary;
using System.Diagnostics;
using System.Security.Cryptography;
using Dormouse.EndToEnd.Tests.Running;

namespace Dormouse.EndToEnd.Tests.Hostile;

/// <summary>Servers that cannot start say why in one sentence, and harm nothing that runs or lies there.</summary>
public sealed class StartTests(HostileServer hostile) : HostileTests(hostile)
{
    /// <summary>Where SQLite keeps a number of the application's own in the file's head, big-endian.</summary>
    private const int UserVersionOffset = 60;

    [Fact]
    public async Task A_port_in_use_is_named()
    {
        using var folder = new TemporaryFolder();
        await RefusedAsync(["--data", folder.Path, "--listen", $"http://127.0.0.1:{Server.Address.Port}"], $":{Server.Address.Port}", "in use", "--listen");
    }

    [Fact]
    public async Task A_gRPC_port_in_use_is_named()
    {
        using var folder = new TemporaryFolder();
        await RefusedAsync(
            ["--data", folder.Path, "--listen", "http://127.0.0.1:0", "--grpc-listen", $"http://127.0.0.1:{Server.Grpc.Port}"], $":{Server.Grpc.Port}", "in use", "--grpc-listen");
    }

    [Fact]
    public async Task A_data_folder_that_another_server_uses_is_refused_with_its_process()
    {
        await RefusedAsync(["--data", Server.Data, "--listen", "http://127.0.0.1:0"], "used by another server", $"process {Server.ProcessId}");
        Assert.True(File.Exists(Path.Combine(Server.Data, "server.json")), "The second server took the first one's addresses away.");
    }

    [Fact]
    public async Task A_data_folder_of_a_newer_version_is_refused_and_not_changed()
    {
        using var folder = new TemporaryFolder();
        double[] right;
        await using (var server = await RunningServer.StartAsync(Cancelled, folder.Path))
        {
            right = await HostileServer.DeployNeighbourAsync(server, Cancelled);
            await server.StopAsync(Cancelled);
        }

        var database = Path.Combine(folder.Path, "dormouse.db");
        var version = SetVersion(database, 9999);
        var before = SHA256.HashData(await File.ReadAllBytesAsync(database, Cancelled));

        await RefusedAsync(["--data", folder.Path, "--listen", "http://127.0.0.1:0"], "9999", "newer version");

        Assert.Equal(before, SHA256.HashData(await File.ReadAllBytesAsync(database, Cancelled)));
        SetVersion(database, version);
        await using var again = await RunningServer.StartAsync(Cancelled, folder.Path);
        await HostileServer.AssertUnharmedAsync(again, right, Cancelled);
    }

    [Theory]
    [InlineData("--listen", "ftp://127.0.0.1:1")]
    [InlineData("--listen", "http://127.0.0.1:99999")]
    [InlineData("--data", "/dev/null/data")]
    [InlineData("--config", "/nothing/server.yaml")]
    public async Task A_setting_that_cannot_be_used_is_named(string option, string value)
    {
        using var folder = new TemporaryFolder();
        string[] data = option == "--data" ? [] : ["--data", folder.Path];
        string[] listen = option == "--listen" ? [] : ["--listen", "http://127.0.0.1:0"];
        await RefusedAsync([.. data, .. listen, option, value], value);
    }

    private static async Task RefusedAsync(string[] arguments, params string[] words)
    {
        var start = new ProcessStartInfo(Checkout.Dormouse, ["serve", .. arguments]) { RedirectStandardError = true, RedirectStandardOutput = true };
        using var process = Process.Start(start) ?? throw new InvalidOperationException("The command did not start.");
        var output = process.StandardOutput.ReadToEndAsync(Cancelled);
        var error = await process.StandardError.ReadToEndAsync(Cancelled);
        await process.WaitForExitAsync(Cancelled);
        TestContext.Current.TestOutputHelper?.WriteLine($"{process.ExitCode}: {error}");

        Assert.NotEqual(0, process.ExitCode);
        Assert.Equal("", await output);
        foreach (var word in words)
        {
            Assert.Contains(word, error, StringComparison.Ordinal);
        }

        Assert.DoesNotContain("   at ", error, StringComparison.Ordinal);
        Assert.DoesNotContain("Exception", error, StringComparison.Ordinal);
    }

    /// <returns>The version before.</returns>
    private static uint SetVersion(string database, uint version)
    {
        using var file = File.Open(database, FileMode.Open);
        var bytes = new byte[4];
        file.Position = UserVersionOffset;
        file.ReadExactly(bytes);
        var before = BinaryPrimitives.ReadUInt32BigEndian(bytes);
        BinaryPrimitives.WriteUInt32BigEndian(bytes, version);
        file.Position = UserVersionOffset;
        file.Write(bytes);
        return before;
    }

    private sealed class TemporaryFolder : IDisposable
    {
        public string Path { get; } = Directory.CreateTempSubdirectory("dormouse-test-").FullName;

        public void Dispose() => Directory.Delete(Path, recursive: true);
    }
}
