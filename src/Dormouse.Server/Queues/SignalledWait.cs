using System.Threading.Channels;

namespace Dormouse.Server.Queues;

/// <summary>A loop's pause that ends early when there may be work. Signals that come together count as one.</summary>
internal sealed class SignalledWait
{
    private readonly Channel<bool> _signals = Channel.CreateBounded<bool>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite });

    public void Signal() => _signals.Writer.TryWrite(true);

    /// <summary>Returns when there was a signal or the time is over; false when it is to end.</summary>
    /// <param name="within"><see cref="Timeout.InfiniteTimeSpan"/> = until there is a signal.</param>
    public async Task<bool> WaitAsync(TimeSpan within, TimeProvider time, CancellationToken cancellationToken)
    {
        using var limit = new CancellationTokenSource(within, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancellationToken);
        try
        {
            await _signals.Reader.ReadAsync(either.Token);
            return true;
        }
        catch (OperationCanceledException)
        {
            return !cancellationToken.IsCancellationRequested;
        }
    }
}
