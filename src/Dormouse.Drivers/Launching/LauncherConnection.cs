using System.ComponentModel;
using System.Diagnostics;
using System.Net.Sockets;
using System.Text.Json;
using System.Threading.Channels;
using Dormouse.Protocol.Launching;
using Microsoft.Extensions.Logging;

namespace Dormouse.Drivers.Launching;

/// <summary>One launcher process and the connection to it. Whichever of the two ends takes the other along.</summary>
internal sealed partial class LauncherConnection : IAsyncDisposable
{
    private static readonly TimeSpan StartTimeMax = TimeSpan.FromSeconds(20);
    private static readonly TimeSpan EndTimeMax = TimeSpan.FromSeconds(20);

    private readonly Process _process;
    private readonly Socket _socket;
    private readonly Channel<LauncherCommand> _commands = Channel.CreateUnbounded<LauncherCommand>(new() { SingleReader = true });
    private readonly Task _errorReader;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private byte[] _received = new byte[64 * 1024];
    private int _receivedBytes;

    private LauncherConnection(Process process, Socket socket, Task errorReader, TimeProvider time, ILogger logger)
    {
        _process = process;
        _socket = socket;
        _errorReader = errorReader;
        _time = time;
        _logger = logger;
    }

    /// <summary>Starts a launcher, connects, and waits until it can take commands.</summary>
    /// <exception cref="LauncherException">It did not start; the message says why.</exception>
    public static async Task<LauncherConnection> OpenAsync(ProcessDriverOptions options, TimeProvider time, ILogger logger, CancellationToken cancellationToken)
    {
        var socketPath = Path.Combine(options.RunFolder, "launcher.sock");
        var process = StartProcess(options, socketPath);
        var errors = new List<string>();
        var errorReader = ReadErrorsAsync(process, errors, logger);
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            using var deadline = new CancellationTokenSource(StartTimeMax, time);
            using var linked = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, deadline.Token);
            try
            {
                if (await process.StandardOutput.ReadLineAsync(linked.Token) is not "listening")
                {
                    await errorReader.WaitAsync(linked.Token);
                    throw new LauncherException($"The launcher ended at once: {string.Join(" ", errors)}");
                }

                await socket.ConnectAsync(new UnixDomainSocketEndPoint(socketPath), linked.Token);
            }
            catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
            {
                throw new LauncherException($"The launcher did not answer within {StartTimeMax.TotalSeconds} s.");
            }
            catch (SocketException exception)
            {
                throw new LauncherException($"The launcher could not be reached: {exception.Message}", exception);
            }

            return new LauncherConnection(process, socket, errorReader, time, logger);
        }
        catch
        {
            socket.Dispose();
            process.Kill();
            process.Dispose();
            throw;
        }
    }

    public void Send(LauncherCommand command) => _commands.Writer.TryWrite(command);

    /// <summary>Hands on every event until the connection ends; then returns. Cancellation ends the connection.</summary>
    public async Task RunAsync(Action<LauncherEvent> handle, CancellationToken cancellationToken)
    {
        using var ended = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var writing = WriteAsync(ended.Token);
        try
        {
            while (await _socket.ReceiveAsync(_received.AsMemory(_receivedBytes), ended.Token) is > 0 and var count)
            {
                _receivedBytes += count;
                HandleReceived(handle);
            }
        }
        catch (Exception exception) when (exception is SocketException or OperationCanceledException)
        {
            LogEnded(exception.Message);
        }
        catch (Exception exception) when (exception is JsonException or InvalidDataException)
        {
            LogUnreadable(exception.Message);
        }
        finally
        {
            await ended.CancelAsync();
            await writing;
        }
    }

    /// <summary>Ends the launcher and waits until it has cleared everything away.</summary>
    public async ValueTask DisposeAsync()
    {
        _commands.Writer.TryComplete();
        _socket.Dispose();
        _process.StandardInput.Close();
        using var deadline = new CancellationTokenSource(EndTimeMax, _time);
        try
        {
            await _process.WaitForExitAsync(deadline.Token);
        }
        catch (OperationCanceledException)
        {
            LogHung(_process.Id, EndTimeMax);
            _process.Kill();
        }

        await _errorReader;
        _process.Dispose();
    }

    private static Process StartProcess(ProcessDriverOptions options, string socketPath)
    {
        var command = ProgramCommand.For(options.LauncherPath);
        var start = new ProcessStartInfo(command[0])
        {
            UseShellExecute = false,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            WorkingDirectory = "/",
        };
        foreach (var argument in (string[])[.. command[1..], "--socket", socketPath, "--cgroup-name", options.CgroupName])
            start.ArgumentList.Add(argument);
        start.Environment.Clear();
        foreach (var (name, value) in ProgramCommand.Environment([]))
            start.Environment[name] = value;
        try
        {
            return Process.Start(start) ?? throw new LauncherException($"The launcher {options.LauncherPath} could not be started.");
        }
        catch (Win32Exception exception)
        {
            throw new LauncherException($"The launcher {options.LauncherPath} could not be started: {exception.Message}.", exception);
        }
    }

    private static async Task ReadErrorsAsync(Process process, List<string> errors, ILogger logger)
    {
        const int LinesKept = 20;
        while (await process.StandardError.ReadLineAsync(CancellationToken.None) is { } line)
        {
            if (errors.Count < LinesKept)
                errors.Add(line);
            LogLauncherWrote(logger, line);
        }
    }

    private async Task WriteAsync(CancellationToken cancellationToken)
    {
        try
        {
            await foreach (var command in _commands.Reader.ReadAllAsync(cancellationToken))
            {
                ReadOnlyMemory<byte> frame = LauncherFrames.Pack(command, LauncherJson.Default.LauncherCommand);
                while (!frame.IsEmpty)
                    frame = frame[await _socket.SendAsync(frame, cancellationToken)..];
            }
        }
        catch (Exception exception) when (exception is SocketException or OperationCanceledException or ObjectDisposedException)
        {
            LogEnded(exception.Message);
        }
    }

    private void HandleReceived(Action<LauncherEvent> handle)
    {
        var taken = 0;
        while (LauncherFrames.TryTake(_received.AsMemory(taken, _receivedBytes - taken), out var body))
        {
            taken += LauncherFrames.HeaderBytes + body.Length;
            if (JsonSerializer.Deserialize(body.Span, LauncherJson.Default.LauncherEvent) is { } happened)
                handle(happened);
        }

        _received.AsSpan(taken, _receivedBytes - taken).CopyTo(_received);
        _receivedBytes -= taken;
        if (_receivedBytes == _received.Length)
            Array.Resize(ref _received, Math.Min(_received.Length * 2, LauncherFrames.HeaderBytes + LauncherFrames.BodyBytesMax));
    }

    [LoggerMessage(EventId = 3001, EventName = "LauncherConnectionEnded", Level = LogLevel.Debug, Message = "The connection to the launcher ended: {Reason}")]
    private partial void LogEnded(string reason);

    [LoggerMessage(EventId = 3002, EventName = "LauncherUnreadable", Level = LogLevel.Error,
        Message = "The launcher sent what cannot be read and is replaced: {Reason}. Server and launcher must be of one build")]
    private partial void LogUnreadable(string reason);

    [LoggerMessage(EventId = 3003, EventName = "LauncherHung", Level = LogLevel.Error,
        Message = "Launcher {ProcessId} did not end within {Limit} and was killed; its leftovers are swept at the next start")]
    private partial void LogHung(int processId, TimeSpan limit);

    [LoggerMessage(EventId = 3004, EventName = "LauncherWrote", Level = LogLevel.Warning, Message = "Launcher: {Line}")]
    private static partial void LogLauncherWrote(ILogger logger, string line);
}
