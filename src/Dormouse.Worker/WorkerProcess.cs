using System.Collections.Immutable;
using System.Text.Json;
using Dormouse.Protocol.Launching;
using Dormouse.Protocol.Signatures;
using Dormouse.Worker.Control;
using Dormouse.Worker.Engine;
using Dormouse.Worker.Http;
using Dormouse.Worker.Inspection;
using Dormouse.Worker.Pictures;
using Dormouse.Worker.Running;

namespace Dormouse.Worker;

/// <summary>A worker's life: start as nobody's, tell so, warm up while nobody asks, take one assignment, and serve it until the control socket closes.</summary>
/// <param name="socketPath">Where it can be reached.</param>
/// <param name="listener">Descriptor that listens there already; null = it makes the socket itself.</param>
internal sealed class WorkerProcess(string socketPath, int? listener, ControlSocket control, TimeProvider time) : IDisposable
{
    /// <summary>The assignment was carried out and nothing is left to do (an inspection), or it was refused.</summary>
    internal const int Done = 0;

    private const int EngineStackBytes = 1024 * 1024;

    /// <summary>A worker that was started for a caller has its assignment before this; any other is for the pool.</summary>
    private static readonly TimeSpan PoolAfter = TimeSpan.FromMilliseconds(20);

    private readonly WorkerServer _server = new(socketPath, listener);

    internal int Run(string build)
    {
        Heap.Configure();
        control.Listen();
        var key = "";
        Exception? fault = null;
        // The engine takes about as long as Kestrel: side by side, on a thread each.
        var engine = new Thread(() =>
        {
            try
            {
                key = EngineRuntime.Start();
            }
            catch (Exception e)
            {
                fault = e;
            }
        }, EngineStackBytes)
        { Name = "engine start" };
        engine.Start();
        _server.StartAsync(CancellationToken.None).GetAwaiter().GetResult(); // The main thread has nothing else to do, and no context to block.
        engine.Join();
        if (fault is not null)
        {
            throw new InvalidOperationException("The engine cannot be loaded: " + fault.Message, fault);
        }

        ControlSocket.Send(new WorkerHello(key, build));
        if (!control.WaitForAssignment(PoolAfter))
        {
            // Nobody waits: time to get ready for the next start.
            WarmUp.Run(_server, socketPath, time);
            Heap.Trim();
            Heap.Reserve(() => control.HasAssignment);
        }

        return Obey(control.WaitForAssignment());
    }

    public void Dispose() => _server.Dispose();

    private int Obey(ControlSocket.Assigned assigned)
    {
        try
        {
            switch (assigned.Parse())
            {
                case ServeAssignment serve:
                    Serve(serve, assigned);
                    break;
                case InspectAssignment inspect:
                    var output = inspect.OutputDescriptor is { } index ? assigned.At(index) : (int?)null;
                    ControlSocket.Send(ModelInspection.Inspect(inspect, ReadSignature(inspect), assigned.At(inspect.FolderDescriptor), output, time));
                    break;
            }
        }
        catch (Exception e) when (e is ModelRefusedException or SignatureException)
        {
            ControlSocket.Send(new WorkerRefused(e.Message));
        }
        catch (JsonException e)
        {
            Console.Error.WriteLine("The assignment cannot be read: " + e.Message);
            ControlSocket.Send(new WorkerRefused("The worker does not understand the assignment; worker and server are of different versions."));
        }

        Native.ExitAtOnce(Done); // Nothing is open that has to be closed in order, and the engine's own teardown takes time.
        return Done;
    }

    private void Serve(ServeAssignment assignment, ControlSocket.Assigned assigned)
    {
        var optimised = assignment.OptimisedDescriptor is { } index ? assigned.At(index) : (int?)null;
        var (model, ready) = InstanceStart.Load(assignment, ReadSignature(assignment), assigned.At(assignment.FolderDescriptor), optimised, time);
        var load = new InstanceLoad(Math.Max(1, assignment.Concurrency), Math.Max(1, assignment.BatchMax), TimeSpan.FromMicroseconds(Math.Max(0, assignment.BatchDelayMicroseconds)), Math.Max(0, assignment.InsideMax));
        Heap.FollowMemoryLimit();
        // Runs hold their threads, and so does reading pictures for the next: the pool must have some left for reading requests and noticing callers who leave.
        var held = load.BatchMax > 1 ? 2 * load.RunsAtOnce : load.RunsAtOnce;
        ThreadPool.GetMinThreads(out var workers, out var ports);
        ThreadPool.SetMinThreads(Math.Max(workers, held + 2), ports);
        _server.Instance = new Instance(model, load, assignment.MemoryMib, time);
        ControlSocket.Send(ready);
        Thread.CurrentThread.Join(); // The control thread ends the process.
    }

    private static Signature? ReadSignature(ModelAssignment assignment)
    {
        if (assignment.Signature is not { } json)
        {
            return null;
        }

        return SignatureRules.Parse(json, out ImmutableArray<string> errors) ?? throw new SignatureException(string.Join(" ", errors));
    }
}
