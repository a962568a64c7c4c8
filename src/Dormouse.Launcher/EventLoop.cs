using System.Runtime.InteropServices;
using Dormouse.Launcher.Kernel;
using Dormouse.Launcher.Workers;

namespace Dormouse.Launcher;

/// <summary>
/// The launcher's only thread of work: waits for the server, the workers and the end, and gives each its turn. Nothing in it blocks but the wait itself.
/// </summary>
/// <param name="stop">Descriptor that becomes readable when the launcher is told to end.</param>
internal sealed class EventLoop(ServerLink server, WorkerTable workers, int stop, TimeProvider time)
{
    /// <summary>Orphans of living workers are reaped at least this often.</summary>
    private const int IdleMilliseconds = 30_000;

    /// <summary>While something of an ended worker is still there.</summary>
    private const int ClearingMilliseconds = 5;

    /// <summary>While a worker that was asked to end may have to be killed.</summary>
    private const int AskedMilliseconds = 250;

    /// <summary>Where the kernel cannot tell that a process has ended.</summary>
    private const int BlindMilliseconds = 20;

    /// <summary>What of a worker has something to be read.</summary>
    private enum Source
    {
        Control,
        Output,
        Uplink,
        Door,
    }

    private const int StandardInput = 0;
    private static readonly TimeSpan EndTimeMax = TimeSpan.FromSeconds(15);

    private readonly List<Libc.PollEntry> _entries = [];
    private readonly List<(WorkerProcess Worker, Source Kind)> _sources = [];

    /// <summary>Runs until the server is gone and nothing of the workers is left.</summary>
    public void Run()
    {
        var ending = false;
        var endingSince = 0L;
        while (true)
        {
            Wait(ending);
            if (!ending && (Seen(0) || InputEnded() || server.HasEnded))
            {
                ending = true;
                endingSince = time.GetTimestamp();
            }

            ReadWorkers();
            if (!ending && Seen(2))
            {
                server.Receive(workers.Handle);
                server.Flush();
            }

            if (ending)
                workers.KillAll();
            workers.Tick();
            if (ending && (workers.Workers.Count == 0 || time.GetElapsedTime(endingSince) > EndTimeMax))
                return;
        }
    }

    /// <summary>Waits for the first connection. False: told to end before it came.</summary>
    public static unsafe bool TryAccept(int listener, int stop, out int connection)
    {
        var entries = stackalloc Libc.PollEntry[3];
        while (true)
        {
            entries[0] = new() { Descriptor = stop, Wanted = Libc.PollIn };
            entries[1] = new() { Descriptor = StandardInput, Wanted = Libc.PollIn };
            entries[2] = new() { Descriptor = listener, Wanted = Libc.PollIn };
            _ = Libc.Poll(entries, 3, -1);
            connection = entries[2].Seen != 0 ? Descriptors.Accept(listener) : -1;
            if (connection >= 0)
                return true;
            if (entries[0].Seen != 0 || (entries[1].Seen != 0 && ReadInput() == 0))
                return false;
        }
    }

    private unsafe void Wait(bool ending)
    {
        _entries.Clear();
        _sources.Clear();
        Add(ending ? -1 : stop);
        Add(ending ? -1 : StandardInput);
        Add(ending ? -1 : server.Socket, server.HasUnsent);
        var timeout = workers.IsClearing || server.HasEnded ? ClearingMilliseconds : IdleMilliseconds;
        foreach (var worker in workers.Workers)
        {
            AddWorker(worker, worker.Control, Source.Control);
            AddWorker(worker, worker.Output, Source.Output);
            AddWorker(worker, worker.Uplink?.Ready ?? -1, Source.Uplink);
            AddWorker(worker, worker.Door, Source.Door);
            if (worker.Snapshot is { EndDescriptor: >= 0 and var end })
                Add(end);
            if (worker is { End: null, AskedAt: > 0 })
                timeout = Math.Min(timeout, AskedMilliseconds);
            if (worker.Lines.OwesNote)
                timeout = Math.Min(timeout, (int)LineCutter.Window.TotalMilliseconds);
            // The end of a fork is its template's to tell: until it has, the descriptor would stay readable.
            if (worker.Template is not null)
                continue;
            if (worker.EndDescriptor >= 0)
                Add(worker.EndDescriptor);
            else if (worker.End is null)
                timeout = Math.Min(timeout, BlindMilliseconds);
        }

        fixed (Libc.PollEntry* start = CollectionsMarshal.AsSpan(_entries))
        {
            // When a signal interrupts the wait, nothing is marked as seen and the next turn waits again.
            _ = Libc.Poll(start, (nuint)_entries.Count, timeout);
        }
    }

    private void Add(int descriptor, bool alsoOut = false) =>
        _entries.Add(new() { Descriptor = descriptor, Wanted = (short)(Libc.PollIn | (alsoOut ? Libc.PollOut : 0)) });

    private void AddWorker(WorkerProcess worker, int descriptor, Source kind)
    {
        if (descriptor < 0)
            return;
        while (_sources.Count < _entries.Count)
            _sources.Add(default);
        Add(descriptor);
        _sources.Add((worker, kind));
    }

    private void ReadWorkers()
    {
        for (var i = 0; i < _sources.Count; i++)
        {
            var (worker, kind) = _sources[i];
            if (worker is null || !Seen(i))
                continue;
            if (kind == Source.Control && worker.Control >= 0)
                workers.ReadControl(worker);
            else if (kind == Source.Output && worker.Output >= 0)
                workers.ReadOutput(worker);
            else if (kind == Source.Uplink)
                workers.ReadUplink(worker);
            else if (kind == Source.Door && worker.Door >= 0)
                workers.ReadDoor(worker);
        }
    }

    private bool Seen(int index) => _entries[index].Seen != 0;

    private bool InputEnded() => Seen(1) && ReadInput() == 0;

    private static int ReadInput()
    {
        Span<byte> ignored = stackalloc byte[256];
        return Descriptors.Receive(StandardInput, ignored);
    }
}
