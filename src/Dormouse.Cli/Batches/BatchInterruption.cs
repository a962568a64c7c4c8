using System.Runtime.InteropServices;

namespace Dormouse.Cli.Batches;

/// <summary>The first Ctrl-C lets go of a job, a second one cancels it, a third ends the program at once.</summary>
internal sealed class BatchInterruption : IDisposable
{
    private readonly CancellationTokenSource _detached;
    private readonly CancellationTokenSource _cancelled = new();
    private readonly PosixSignalRegistration _interrupt;
    private readonly PosixSignalRegistration _terminate;

    public BatchInterruption(CancellationToken cancellationToken)
    {
        _detached = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        _interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Signalled);
        _terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Signalled);
    }

    public CancellationToken Detached => _detached.Token;

    public CancellationToken Cancelled => _cancelled.Token;

    public void Dispose()
    {
        _interrupt.Dispose();
        _terminate.Dispose();
        _detached.Dispose();
        _cancelled.Dispose();
    }

    private void Signalled(PosixSignalContext signal)
    {
        // True = the default action, ending the process, does not happen.
        signal.Cancel = !_cancelled.IsCancellationRequested;
        (_detached.IsCancellationRequested ? _cancelled : _detached).Cancel();
    }
}
