using System.Diagnostics;
using System.Globalization;

namespace Dormouse.Storage.Tests.Support;

/// <summary>
/// A PostgreSQL server of its own in a temporary folder, reachable over a Unix socket in it alone. It ends with the process that started it, however that ends: a shell holds it, and stops it
/// when its input closes.
/// </summary>
internal sealed class PrivatePostgres : IAsyncDisposable
{
    /// <summary>Runs as the user who owns the server. Each line read is one command; the end of the input stops everything.</summary>
    private const string Script =
        """
        bin=$1; folder=$2; data=$folder/data; export LC_ALL=C
        options="-c listen_addresses= -c unix_socket_directories=$folder -c fsync=off -c max_connections=60 -c shared_buffers=32MB"
        start() { "$bin/pg_ctl" -D "$data" -w -t 300 -l "$folder/log" -o "$options" start >>"$folder/log" 2>&1; }
        all() { main=$(head -n 1 "$data/postmaster.pid"); echo "$main $(pgrep -P "$main" | tr '\n' ' ')"; }
        { "$bin/initdb" -D "$data" -A trust -U dormouse -E UTF8 --locale=C --no-sync && start; } >>"$folder/log" 2>&1 && echo done || { echo failed; exit 1; }
        while read -r command; do
            case $command in
                start) start || { echo failed; continue; } ;;
                kill) kill -STOP "$(head -n 1 "$data/postmaster.pid")"; killed=$(all); kill -KILL $killed; while kill -0 $killed 2>/dev/null; do sleep 0.01; done ;;
                pause) kill -STOP $(all) ;;
                resume) kill -CONT $(all) ;;
            esac
            echo done
        done
        kill -CONT $(all) 2>/dev/null
        "$bin/pg_ctl" -D "$data" -m immediate -w stop >>"$folder/log" 2>&1
        """;

    private readonly string _folder;
    private readonly Process _shell;

    private PrivatePostgres(string folder, Process shell)
    {
        _folder = folder;
        _shell = shell;
    }

    /// <summary>Null when PostgreSQL is not installed on this machine.</summary>
    public static string? BinFolder { get; } = Directory.Exists("/usr/lib/postgresql")
        ? Directory.GetDirectories("/usr/lib/postgresql")
            .OrderByDescending(d => int.TryParse(Path.GetFileName(d), NumberStyles.None, CultureInfo.InvariantCulture, out var version) ? version : 0)
            .Select(d => Path.Combine(d, "bin"))
            .FirstOrDefault(d => File.Exists(Path.Combine(d, "initdb")))
        : null;

    /// <param name="database">The database's name; <c>postgres</c> is always there.</param>
    /// <param name="schema">Made by the store when it is not there.</param>
    public string Url(string? schema = null, string database = "postgres") =>
        $"postgres://dormouse@/{database}?host={Uri.EscapeDataString(_folder)}{(schema is null ? "" : "&search_path=" + schema)}";

    /// <exception cref="InvalidOperationException">It does not start; the message holds its log.</exception>
    public static async Task<PrivatePostgres> StartAsync()
    {
        var folder = Directory.CreateTempSubdirectory("dormouse-pg-").FullName;
        string[] command = ["bash", "-c", Script, "postgres", BinFolder ?? throw new InvalidOperationException("PostgreSQL is not installed."), folder];

        // It refuses to run as root.
        if (Environment.UserName == "root")
        {
            using var chown = Process.Start("chown", ["postgres", folder]);
            await chown.WaitForExitAsync();
            command = ["runuser", "-u", "postgres", "--", .. command];
        }

        var shell = Process.Start(new ProcessStartInfo(command[0], command[1..]) { RedirectStandardInput = true, RedirectStandardOutput = true, WorkingDirectory = folder })!;
        var postgres = new PrivatePostgres(folder, shell);
        await postgres.AnswerAsync("start");
        return postgres;
    }

    /// <summary>Ends it at once, with all its processes, as a power cut of its machine would.</summary>
    public Task KillAsync() => TellAsync("kill");

    /// <summary>Starts it after <see cref="KillAsync"/>; it recovers first.</summary>
    public Task RestartAsync() => TellAsync("start");

    /// <summary>It stands still: connections stay, nothing answers.</summary>
    public Task PauseAsync() => TellAsync("pause");

    public Task ResumeAsync() => TellAsync("resume");

    public async ValueTask DisposeAsync()
    {
        _shell.StandardInput.Close();
        await _shell.WaitForExitAsync();
        _shell.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    private async Task TellAsync(string command)
    {
        await _shell.StandardInput.WriteLineAsync(command);
        await _shell.StandardInput.FlushAsync();
        await AnswerAsync(command);
    }

    private async Task AnswerAsync(string command)
    {
        var answer = await _shell.StandardOutput.ReadLineAsync();
        if (answer != "done")
        {
            var log = Path.Combine(_folder, "log");
            throw new InvalidOperationException($"PostgreSQL did not do '{command}': {answer}. Its log: {(File.Exists(log) ? await File.ReadAllTextAsync(log) : "none")}");
        }
    }
}
