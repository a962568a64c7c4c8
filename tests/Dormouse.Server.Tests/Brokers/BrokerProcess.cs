using System.Collections.Concurrent;
using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using Dormouse.Server.Tests.Gateway;
using Dormouse.Storage.Tests.Support;

namespace Dormouse.Server.Tests.Brokers;

/// <summary>A real broker on loopback, with a folder of its own; it can be killed and started again on the same port and folder.</summary>
internal abstract class BrokerProcess : IAsyncDisposable
{
    private Process? _process;

    protected string Folder { get; } = Directory.CreateTempSubdirectory("dmbroker").FullName;

    /// <summary>It may use the three that follow as well.</summary>
    protected int Port { get; } = FreePort.Next();

    protected static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    /// <summary>The members of a trigger's source.</summary>
    public abstract Dictionary<string, string> Source { get; }

    public virtual async Task StartAsync()
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

        using var limit = CancellationTokenSource.CreateLinkedTokenSource(Cancellation);
        limit.CancelAfter(Conditions.Patience);
        using var tick = new PeriodicTimer(TimeSpan.FromMilliseconds(50));
        var said = Spawn(start);
        while (!await AnswersAsync())
        {
            Assert.False(limit.IsCancellationRequested, $"{program} does not answer on port {Port}. It said: {string.Join('\n', said)}");
            if (_process!.HasExited)
            {
                // The one before it was killed, and its port or its name at the port mapper may be taken for a moment yet.
                _process.Dispose();
                said = Spawn(start);
            }

            await tick.WaitForNextTickAsync(Cancellation);
        }
    }

    /// <summary>SIGKILL, in the middle of whatever it does.</summary>
    public virtual async Task KillAsync()
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

    /// <summary>Takes what outcomes were sent: id of the message, body, type of the event.</summary>
    public virtual Task<(string Id, string Body, string Type)[]> TakeAsync() => throw new NotSupportedException("No test sends to it.");

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

    private ConcurrentQueue<string> Spawn(ProcessStartInfo start)
    {
        var said = new ConcurrentQueue<string>();
        _process = Process.Start(start)!;
        DataReceivedEventHandler keep = (_, line) =>
        {
            if (line.Data is { } text && said.Count < 50)
            {
                said.Enqueue(text);
            }
        };
        _process.OutputDataReceived += keep;
        _process.ErrorDataReceived += keep;
        _process.BeginOutputReadLine();
        _process.BeginErrorReadLine();
        return said;
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
