using System.Diagnostics;
using System.Globalization;

namespace Dormouse.Storage.Tests.Support;

/// <summary>An s3rver of its own on loopback, with the bucket <c>models</c>; it can be killed and started again on the same port and folder.</summary>
internal sealed class S3Emulator : IAsyncDisposable
{
    public const string Bucket = "models";
    public const string Key = "S3RVER";

    private readonly string _folder = Directory.CreateTempSubdirectory("dormouse-s3-").FullName;
    private readonly int _port = FreePort.Next();
    private Process? _process;

    /// <summary>The program; null when ./test could not install it.</summary>
    public static string? Program { get; } = Find();

    public Uri Address => new(string.Create(CultureInfo.InvariantCulture, $"http://127.0.0.1:{_port}"));

    /// <summary>Where its objects lie: a folder a bucket, two files an object.</summary>
    public string Folder => _folder;

    public static async Task<S3Emulator> StartAsync()
    {
        var server = new S3Emulator();
        await server.RestartAsync();
        return server;
    }

    /// <summary>Again, after <see cref="KillAsync"/>.</summary>
    public async Task RestartAsync()
    {
        var start = new ProcessStartInfo(Program ?? throw new InvalidOperationException("s3rver is not installed."))
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            WorkingDirectory = _folder,
            ArgumentList = { "-a", "127.0.0.1", "-p", _port.ToString(CultureInfo.InvariantCulture), "-d", _folder, "--configure-bucket", Bucket },
        };
        _process = Process.Start(start)!;
        _process.OutputDataReceived += (_, _) => { };
        _process.ErrorDataReceived += (_, _) => { };
        _process.BeginOutputReadLine();
        _process.BeginErrorReadLine();
        using var http = new HttpClient();
        using var limit = new CancellationTokenSource(TimeSpan.FromMinutes(3));
        using var tick = new PeriodicTimer(TimeSpan.FromMilliseconds(20));
        while (true)
        {
            try
            {
                // Without a signature it is refused, which is an answer.
                using var answer = await http.GetAsync(Address, limit.Token);
                return;
            }
            catch (HttpRequestException) when (!_process.HasExited)
            {
                await tick.WaitForNextTickAsync(limit.Token);
            }
        }
    }

    public async Task KillAsync()
    {
        _process!.Kill();
        await _process.WaitForExitAsync();
        _process.Dispose();
        _process = null;
    }

    public async ValueTask DisposeAsync()
    {
        if (_process is not null)
        {
            await KillAsync();
        }

        Directory.Delete(_folder, recursive: true);
    }

    private static string? Find()
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            var program = Path.Combine(folder.FullName, "artifacts", "npm", "node_modules", ".bin", "s3rver");
            if (File.Exists(program))
            {
                return program;
            }
        }

        return null;
    }
}
