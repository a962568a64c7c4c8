namespace Dormouse.Cli.Terminal;

/// <summary>All that the command line sees of the outside: streams, environment, clock, network. A test brings its own.</summary>
internal sealed record Surroundings
{
    public required TextWriter Out { get; init; }

    public required TextWriter Error { get; init; }

    /// <summary>Opens standard input as bytes.</summary>
    public required Func<Stream> OpenInput { get; init; }

    /// <summary>Opens standard output as bytes, for answers that are no text.</summary>
    public required Func<Stream> OpenOutput { get; init; }

    public required TextReader In { get; init; }

    public required bool IsInputTerminal { get; init; }

    public required bool IsOutputTerminal { get; init; }

    public required bool IsErrorTerminal { get; init; }

    /// <summary>Value of an environment variable; null when not set.</summary>
    public required Func<string, string?> Variable { get; init; }

    public required TimeProvider Time { get; init; }

    /// <summary>Makes the handler that talks to servers; redirects are not followed by it.</summary>
    public required Func<HttpMessageHandler> Network { get; init; }

    public static Surroundings OfProcess(TimeProvider time) => new()
    {
        Out = Console.Out,
        Error = Console.Error,
        In = Console.In,
        OpenInput = Console.OpenStandardInput,
        OpenOutput = Console.OpenStandardOutput,
        IsInputTerminal = !Console.IsInputRedirected,
        IsOutputTerminal = !Console.IsOutputRedirected,
        IsErrorTerminal = !Console.IsErrorRedirected,
        Variable = Environment.GetEnvironmentVariable,
        Time = time,
        Network = () => new SocketsHttpHandler { AllowAutoRedirect = false, UseCookies = false, ConnectTimeout = TimeSpan.FromSeconds(10) },
    };

    /// <summary>Null also for an empty variable.</summary>
    public string? Setting(string variable) => Variable(variable) is { Length: > 0 } value ? value : null;
}
