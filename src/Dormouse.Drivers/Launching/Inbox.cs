using System.Threading.Channels;
using Microsoft.Extensions.Logging;

namespace Dormouse.Drivers.Launching;

/// <summary>Runs the driver's work one piece after the other, in order of arrival: the state behind it needs no lock, and observers are never re-entered.</summary>
internal sealed partial class Inbox(ILogger logger)
{
    private readonly Channel<Action> _work = Channel.CreateUnbounded<Action>(new() { SingleReader = true });

    /// <summary>Queues a piece of work. False: the driver has ended.</summary>
    public bool Post(Action work) => _work.Writer.TryWrite(work);

    /// <summary>No more work is taken; <see cref="RunAsync"/> ends after what is queued.</summary>
    public void Complete() => _work.Writer.TryComplete();

    public async Task RunAsync()
    {
        await foreach (var work in _work.Reader.ReadAllAsync(CancellationToken.None))
        {
            try
            {
                work();
            }
            catch (Exception exception)
            {
                // One instance's trouble (an observer that throws) must not stop all the others.
                LogFailed(exception);
            }
        }
    }

    [LoggerMessage(EventId = 3010, EventName = "DriverWorkFailed", Level = LogLevel.Error, Message = "A piece of the driver's work failed")]
    private partial void LogFailed(Exception exception);
}
