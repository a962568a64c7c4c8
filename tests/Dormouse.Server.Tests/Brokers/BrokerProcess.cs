using System.Diagnostics;
using System.Net;
using System.Net.Sockets;

namespace Dormouse.Server.Tests.Brokers;

/// <summary>A real broker on loopback, with a folder of its own; it can be killed and started again on the same port and folder.</summary>
internal abstract class BrokerProcess : IAsyncDisposable
{
    private Process? _process;

    protected BrokerProcess()
    {
        using var free = new TcpListener(IPAddress.Loopback, 0);
        free.Start();
        Port = ((IPEndPoint)free.LocalEndpoint).Port;
    }

    protected string Folder { get; } = Directory.CreateTempSubdirectory("dmbroker").FullName;

    protected int Port { get; }

    protected static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    /// <summary>The members of a trigger's source.</summary>
    public abstract Dictionary<string, string> Source { get; }

    public async Task StartAsync()
    {
        var (program, arguments, environment) = Command();
        Assert.SkipUnless(File.Exists(program), $"{program} is not installed; ./test installs it.");
        var start = new ProcessStartInfo(program) { RedirectStandardOutput = true, RedirectStandardError = true, WorkingDirectory = Folder };
        foreach (var argument in arguments)
        {
            start.ArgumentList.Add(argument);
        }

        foreach (var (name, value) in environment)
        {
            start.Environment[name] = value;
        }

        _process = Process.Start(start)!;
        _process.OutputDataReceived += (_, _) => { };
        _process.ErrorDataReceived += (_, _) => { };
        _process.BeginOutputReadLine();
        _process.BeginErrorReadLine();
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(Cancellation);
        limit.CancelAfter(TimeSpan.FromSeconds(60));
        using var tick = new PeriodicTimer(TimeSpan.FromMilliseconds(50));
        while (!await AnswersAsync())
        {
            Assert.False(limit.IsCancellationRequested || _process.HasExited, $"{program} does not answer on port {Port}.");
            await tick.WaitForNextTickAsync(Cancellation);
        }
    }

    /// <summary>SIGKILL, in the middle of whatever it does.</summary>
    public async Task KillAsync()
    {
        if (_process is { } process)
        {
            process.Kill(entireProcessTree: true);
            await process.WaitForExitAsync(Cancellation);
        }
    }

    /// <summary>Makes what the trigger reads from; once.</summary>
    public abstract Task PrepareAsync();

    /// <summary>Sends messages whose bodies are these.</summary>
    public abstract Task SendAsync(params string[] bodies);

    /// <summary>Messages that were not acknowledged.</summary>
    public abstract Task<long> LeftAsync();

    public virtual async ValueTask DisposeAsync()
    {
        if (_process is { HasExited: false })
        {
            _process.Kill(entireProcessTree: true);
            await _process.WaitForExitAsync(CancellationToken.None);
        }

        _process?.Dispose();
        Directory.Delete(Folder, recursive: true);
    }

    protected abstract (string Program, string[] Arguments, Dictionary<string, string> Environment) Command();

    protected virtual async Task<bool> AnswersAsync()
    {
        try
        {
            using var client = new TcpClient();
            await client.ConnectAsync(IPAddress.Loopback, Port, Cancellation);
            return true;
        }
        catch (SocketException)
        {
            return false;
        }
    }
}
