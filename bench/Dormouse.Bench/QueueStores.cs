using System.Diagnostics;
using System.Globalization;

namespace Dormouse.Bench;

/// <summary>A PostgreSQL of its own with its default settings: every commit reaches the disk before it returns.</summary>
internal sealed class PrivatePostgres : IAsyncDisposable
{
    private const string Script =
        """
        export LC_ALL=C; bin=$1; folder=$2; port=$3
        "$bin/initdb" -D "$folder/data" -A trust -U bench -E UTF8 --locale=C >"$folder/log" 2>&1 &&
        exec "$bin/postgres" -D "$folder/data" -p "$port" -c listen_addresses=127.0.0.1 -c unix_socket_directories="$folder" >>"$folder/log" 2>&1
        """;

    private readonly string _folder;
    private readonly Proc _process;
    private readonly string _bin;
    private readonly int _port;

    private PrivatePostgres(string folder, string bin, int port, Proc process) => (_folder, _bin, _port, _process) = (folder, bin, port, process);

    /// <summary>Null where it is not installed.</summary>
    public static string? BinFolder { get; } = Directory.Exists("/usr/lib/postgresql")
        ? Directory.GetDirectories("/usr/lib/postgresql").Select(d => Path.Combine(d, "bin")).Where(d => File.Exists(Path.Combine(d, "initdb"))).Max()
        : null;

    public static async Task<PrivatePostgres> StartAsync(string bin)
    {
        var (folder, port) = (Fresh.Folder(), Fresh.Port());
        string[] command = ["bash", "-c", Script, "postgres", bin, folder, port.ToString(CultureInfo.InvariantCulture)];
        if (Environment.UserName == "root")
        {
            await Command.RunAsync("chown", "postgres", folder);
            command = ["runuser", "-u", "postgres", "--", .. command];
        }

        var started = new PrivatePostgres(folder, bin, port, Proc.Start(command[0], command[1..]));
        await Command.WithinAsync(60, "PostgreSQL", () => Command.RunAsync(Path.Combine(bin, "pg_isready"), "-q", "-h", "127.0.0.1", "-p", port.ToString(CultureInfo.InvariantCulture)));
        return started;
    }

    /// <summary>The address of a new database.</summary>
    public async Task<string> DatabaseAsync(string name)
    {
        if (!await Command.RunAsync(Path.Combine(_bin, "createdb"), "-h", "127.0.0.1", "-p", _port.ToString(CultureInfo.InvariantCulture), "-U", "bench", name))
        {
            throw new InvalidOperationException($"Database {name} could not be made.");
        }

        return $"postgres://bench@127.0.0.1:{_port}/{name}";
    }

    public async ValueTask DisposeAsync()
    {
        await _process.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }
}

/// <summary>A Redis that flushes its log with every command before it answers, as the other stores do with every commit.</summary>
internal sealed class PrivateRedis : IAsyncDisposable
{
    private readonly string _folder;
    private readonly Proc _process;

    private PrivateRedis(string folder, int port, Proc process) => (_folder, Address, _process) = (folder, $"redis://127.0.0.1:{port}", process);

    public string Address { get; }

    public static async Task<PrivateRedis> StartAsync(string program)
    {
        var (folder, port) = (Fresh.Folder(), Fresh.Port());
        var number = port.ToString(CultureInfo.InvariantCulture);
        var started = new PrivateRedis(folder, port, Proc.Start(
            program, ["--port", number, "--bind", "127.0.0.1", "--save", "", "--appendonly", "yes", "--appendfsync", "always", "--maxmemory-policy", "noeviction", "--dir", folder]));
        await Command.WithinAsync(20, "Redis", () => Command.RunAsync("redis-cli", "-p", number, "ping"));
        return started;
    }

    public async ValueTask DisposeAsync()
    {
        await _process.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }
}

/// <summary>Programs that are run to their end.</summary>
internal static class Command
{
    /// <summary>True when it ended with 0.</summary>
    public static async Task<bool> RunAsync(string file, params string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo(file, arguments) { RedirectStandardOutput = true, RedirectStandardError = true })!;
        await Task.WhenAll(process.StandardOutput.ReadToEndAsync(), process.StandardError.ReadToEndAsync());
        await process.WaitForExitAsync();
        return process.ExitCode == 0;
    }

    public static async Task WithinAsync(double seconds, string what, Func<Task<bool>> isReady)
    {
        var clock = Stopwatch.StartNew();
        while (!await isReady())
        {
            if (clock.Elapsed.TotalSeconds > seconds)
            {
                throw new InvalidOperationException($"{what} was not ready within {seconds} s.");
            }

            await Task.Delay(50);
        }
    }
}
