using System.Runtime.InteropServices;

namespace Dormouse.Cli.Hosting;

/// <summary>Turns the first Ctrl-C or SIGTERM into a cancelled token; a second one ends the process at once.</summary>
internal sealed class Interruption : IDisposable
{
    private readonly CancellationTokenSource _source;
    private readonly PosixSignalRegistration _interrupt;
    private readonly PosixSignalRegistration _terminate;

    public Interruption(CancellationToken cancellationToken)
    {
        _source = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        _interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Signalled);
        _terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Signalled);
    }

    public CancellationToken Token => _source.Token;

    public void Dispose()
    {
        _interrupt.Dispose();
        _terminate.Dispose();
        _source.Dispose();
    }

    private void Signalled(PosixSignalContext signal)
    {
        // True = the default action, ending the process, does not happen.
        signal.Cancel = !_source.IsCancellationRequested;
        _source.Cancel();
    }
}
