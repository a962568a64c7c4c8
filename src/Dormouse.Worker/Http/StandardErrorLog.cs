using Microsoft.Extensions.Logging;

namespace Dormouse.Worker.Http;

/// <summary>Warnings and worse, one line each on standard error: the launcher reads it. A logging library would cost milliseconds of start.</summary>
internal sealed class StandardErrorLog : ILoggerFactory
{
    public ILogger CreateLogger(string categoryName) => new Log(categoryName);

    public void AddProvider(ILoggerProvider provider) => throw new NotSupportedException("A worker logs to standard error only.");

    public void Dispose()
    {
        // Nothing is held: standard error belongs to the process.
    }

    private sealed class Log(string category) : ILogger
    {
        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => logLevel >= LogLevel.Warning;

        void ILogger.Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            if (IsEnabled(logLevel))
            {
                var fault = exception is null ? "" : $": {exception.GetType().Name}: {exception.Message}";
                Console.Error.WriteLine($"{logLevel} {category} {formatter(state, exception)}{fault}".ReplaceLineEndings(" "));
            }
        }
    }
}
