using System.Collections.Concurrent;
using System.Diagnostics;
using Dormouse.Core;
using Dormouse.Core.Dispatch;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Instances;
using Dormouse.Server.Dispatch;

namespace Dormouse.Bench;

/// <summary>The dispatcher's decision alone: an engine behind one lock, as the server has it, and as many threads as cores that all want it.</summary>
internal static class Decisions
{
    private const int PerThread = 400_000;
    private const int Slots = 64;

    public static void Measure(Report report)
    {
        var engine = Ready();
        var gate = new EngineLock();
        var clock = Stopwatch.StartNew();
        var ticks = new ConcurrentBag<long[]>();
        var allocated = 0L;
        var threads = Enumerable.Range(0, Environment.ProcessorCount).Select(number => new Thread(() =>
        {
            var effects = new RevisionEffects();
            var times = new long[PerThread];
            var before = 0L;
            for (var i = -20_000; i < PerThread; i++)
            {
                if (i == 0)
                {
                    before = GC.GetAllocatedBytesForCurrentThread();
                }

                var started = Stopwatch.GetTimestamp();
                SlotLease lease;
                using (gate.Enter())
                {
                    var now = new MonotonicTime(clock.Elapsed.Ticks);
                    effects.Clear();
                    engine.Apply(RevisionEvent.Arrived(((long)number << 40) + i + 100_000, now + TimeSpan.FromSeconds(60), 2_048), now, effects);
                    lease = effects.Grants[0].Lease;
                }

                if (i >= 0)
                {
                    times[i] = Stopwatch.GetTimestamp() - started;
                }

                using (gate.Enter())
                {
                    effects.Clear();
                    engine.Apply(RevisionEvent.Ended(lease, SlotEnd.Completed), new MonotonicTime(clock.Elapsed.Ticks), effects);
                }
            }

            Interlocked.Add(ref allocated, GC.GetAllocatedBytesForCurrentThread() - before);
            ticks.Add(times);
        })).ToArray();
        Array.ForEach(threads, t => t.Start());
        Array.ForEach(threads, t => t.Join());

        var samples = new Samples(ticks.SelectMany(t => t).Select(t => t * 1e6 / Stopwatch.Frequency));
        var each = (double)allocated / (PerThread * threads.Length);
        report.Add("dispatch decision with its lock, p50", $"{threads.Length} threads", samples.P50, "us");
        report.Add("dispatch decision with its lock, p99", $"{threads.Length} threads", samples.P99, "us", "<= 20", samples.P99 <= 20);
        report.Add("dispatch, allocated a request", "arrival and end", each, "bytes", "0", each < 0.01);
    }

    /// <summary>An engine with one instance that serves and has a slot for every thread.</summary>
    private static RevisionEngine Ready()
    {
        var engine = new RevisionEngine(new RevisionId(new EndpointId(Guid.NewGuid()), 1), new RevisionSpec { Runtime = "onnx", Concurrency = Slots, MaxInstances = 1 }, 1);
        var effects = new RevisionEffects();
        engine.Apply(RevisionEvent.Arrived(1, new MonotonicTime(TimeSpan.TicksPerDay), 0), new MonotonicTime(0), effects);
        var instance = effects.Starts[0].Instance;
        effects.Clear();
        engine.Apply(RevisionEvent.InstanceAdmitted(instance), new MonotonicTime(0), effects);
        effects.Clear();
        engine.Apply(RevisionEvent.InstanceReady(instance, new InstanceReady("/run/instance", Rung.Pool, TimeSpan.Zero, TimeSpan.Zero, "{}", true)), new MonotonicTime(0), effects);
        return engine;
    }
}
