using System.Diagnostics;
using System.Globalization;
using Dormouse.Storage.Tests.Support;

namespace Dormouse.EndToEnd.Tests.Queues;

/// <summary>A Redis with a folder of its own that writes everything through; killed and started again on the same port and folder.</summary>
internal sealed class SmallRedis : IAsyncDisposable
{
    private const string Server = "/usr/bin/redis-server";

    private readonly string _folder = Directory.CreateTempSubdirectory("dmredis").FullName;
    private Process? _process;

    public static bool IsInstalled => File.Exists(Server) && File.Exists("/usr/bin/redis-cli");

    public int Port { get; private set; }

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    public async Task StartAsync()
    {
        for (var attempt = 0; ; attempt++)
        {
            Port = Port == 0 || (attempt > 0 && !File.Exists(Path.Combine(_folder, "started"))) ? FreePort.Next() : Port;
            _process = Process.Start(new ProcessStartInfo(
                Server,
                ["--port", $"{Port}", "--bind", "127.0.0.1", "--save", "", "--appendonly", "yes", "--appendfsync", "always", "--dir", _folder, "--logfile", Path.Combine(_folder, "log")]))!;
            using var tick = new PeriodicTimer(TimeSpan.FromMilliseconds(10));
            while (!_process.HasExited && (await AskAsync("PING")).Trim() != "PONG")
            {
                await tick.WaitForNextTickAsync(Cancelled);
            }

            if (!_process.HasExited)
            {
                await File.WriteAllTextAsync(Path.Combine(_folder, "started"), "", Cancelled);
                return;
            }

            // Somebody else took the port meanwhile.
            Assert.True(attempt < 5, $"Redis does not start: {await File.ReadAllTextAsync(Path.Combine(_folder, "log"), Cancelled)}");
        }
    }

    public async Task KillAsync()
    {
        _process!.Kill();
        await _process.WaitForExitAsync(Cancelled);
    }

    /// <summary>What redis-cli prints for a command; empty while nothing answers.</summary>
    public async Task<string> AskAsync(params string[] command)
    {
        using var cli = Process.Start(new ProcessStartInfo("/usr/bin/redis-cli", ["-p", Port.ToString(CultureInfo.InvariantCulture), .. command]) { RedirectStandardOutput = true, RedirectStandardError = true })!;
        var (text, errors) = (cli.StandardOutput.ReadToEndAsync(Cancelled), cli.StandardError.ReadToEndAsync(Cancelled));
        await cli.WaitForExitAsync(Cancelled);
        await errors;
        return await text;
    }

    public async ValueTask DisposeAsync()
    {
        if (_process is { HasExited: false })
        {
            _process.Kill();
            await _process.WaitForExitAsync(CancellationToken.None);
        }

        _process?.Dispose();
        Directory.Delete(_folder, recursive: true);
    }
}
