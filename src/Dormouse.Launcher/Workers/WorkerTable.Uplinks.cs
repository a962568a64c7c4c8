using Dormouse.Launcher.Kernel;
using Dormouse.Launcher.Networking;

namespace Dormouse.Launcher.Workers;

// Sandboxed workers that have a way to the network: it is made when the worker has said its first word, which is passed on when the way is open.
internal sealed unsafe partial class WorkerTable
{
    /// <summary>A worker's way to the network is open, or will not be.</summary>
    public void ReadUplink(WorkerProcess worker)
    {
        if (worker is not { Uplink: { Ready: >= 0 } uplink, HeldWord: { } word })
            return;
        if (!uplink.TakeReady())
        {
            // Its process ends, or has ended already: its last words tell why.
            Disconnected(worker, uplink, "could not be made");
            return;
        }

        worker.HeldWord = null;
        word.CopyTo(_buffer, 0);
        worker.Messages++;
        if (Parse(word.Length) is { } message && Take(worker, message, sender: 0))
            return;
        worker.Error ??= "the worker broke the control protocol";
        worker.CloseControl();
        Kill(worker);
    }

    /// <param name="count">Bytes of its first word, in the buffer.</param>
    private void Connect(WorkerProcess worker, int count)
    {
        try
        {
            // Not null: the caller has seen that it is to have one.
            var network = worker.Network!;
            if (uplinks is null || worker.InsideId == 0 || count > _buffer.Length)
                throw new IOException(uplinks is null ? "nothing on this machine makes one" : "its process is not known");
            worker.Uplink = Uplink.Begin(spawner, uplinks, network, worker.Places, worker.InsideId, worker.InsideDescriptor);
            worker.HeldWord = _buffer[..count];
        }
        catch (IOException exception)
        {
            // One that has ended has a cause of its own.
            if (worker.InsideDescriptor < 0 || !Descriptors.HasEnded(worker.InsideDescriptor))
                worker.Error ??= $"its way to the network could not be made: {exception.Message}";
            worker.CloseControl();
            Kill(worker);
        }
    }

    /// <summary>A process was reaped that is no worker's: a worker that lost its way to the network ends with it.</summary>
    private void UplinkEnded(int process)
    {
        if (_workers.Values.FirstOrDefault(worker => worker.Uplink?.ProcessId == process) is not { Uplink: { } uplink } worker)
            return;
        uplink.Reaped();
        if (worker.End is null)
            Disconnected(worker, uplink, worker.HeldWord is null ? "ended" : "could not be made");
    }

    private void Disconnected(WorkerProcess worker, Uplink uplink, string what)
    {
        var words = uplink.LastWords();
        worker.Error ??= $"its way to the network {what}{(words.Length > 0 ? $": {words}" : "")}";
        worker.HeldWord = null;
        Kill(worker);
    }
}
