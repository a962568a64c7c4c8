using Dormouse.Core;
using Dormouse.Core.Dispatch;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Instances;
using Dormouse.Core.Packages;
using Dormouse.Core.Scaling;
using Dormouse.Server.Dispatch;
using Dormouse.Server.Tests.Gateway;
using Microsoft.Extensions.Time.Testing;

namespace Dormouse.Server.Tests.Dispatch;

public sealed class DispatchPartsTests
{
    private static readonly EndpointId Endpoint = new(new Guid("01990000-0000-7000-8000-0000000000aa"));
    private static readonly RevisionId Revision = new(Endpoint, 1);

    [Fact]
    public void The_wheel_wakes_each_wish_when_it_is_due_and_an_earlier_one_first()
    {
        var time = new FakeTimeProvider();
        var clock = new MonotonicClock(time);
        using var wheel = new TimerWheel(clock);
        List<string> woken = [];
        wheel.Schedule(clock.Now + TimeSpan.FromSeconds(5), _ => woken.Add("five"));
        wheel.Schedule(clock.Now + TimeSpan.FromSeconds(1), _ => woken.Add("one"));

        time.Advance(TimeSpan.FromMilliseconds(999));
        Assert.Empty(woken);
        time.Advance(TimeSpan.FromMilliseconds(1));
        Assert.Equal(["one"], woken);
        time.Advance(TimeSpan.FromSeconds(10));
        Assert.Equal(["one", "five"], woken);
    }

    [Fact]
    public void A_wish_made_while_waking_is_not_lost()
    {
        var time = new FakeTimeProvider();
        var clock = new MonotonicClock(time);
        using var wheel = new TimerWheel(clock);
        var woken = 0;
        void Again(MonotonicTime at)
        {
            if (++woken < 3)
            {
                wheel.Schedule(at + TimeSpan.FromSeconds(1), Again);
            }
        }

        wheel.Schedule(clock.Now + TimeSpan.FromSeconds(1), Again);
        for (var i = 0; i < 3; i++)
        {
            time.Advance(TimeSpan.FromSeconds(1));
        }

        Assert.Equal(3, woken);
    }

    [Fact]
    public void The_scaling_log_keeps_the_newest_changes_first()
    {
        var log = new ScalingLog(new FakeTimeProvider());
        for (var i = 0; i < ScalingLog.LengthMax + 10; i++)
        {
            log.Add(Endpoint, new ScalingChange(new MonotonicTime(i), 1, i, i + 1, "test"));
        }

        var changes = log.Read(Endpoint);
        Assert.Equal(ScalingLog.LengthMax, changes.Length);
        Assert.Equal(ScalingLog.LengthMax + 9, changes[0].Change.From);
        log.Forget(Endpoint);
        Assert.Empty(log.Read(Endpoint));
    }

    [Fact]
    public async Task Why_an_instance_ended_is_known_before_and_after_it_is_asked()
    {
        var time = new FakeTimeProvider();
        var ends = new InstanceEnds(time);
        var asked = new InstanceId(Revision, 1);
        var known = new InstanceId(Revision, 2);
        var never = new InstanceId(Revision, 3);
        var loss = new InstanceLoss(InstanceLossKind.MemoryExceeded, "out of memory");

        var waiting = ends.WhyAsync(asked, TimeSpan.FromSeconds(1)).AsTask();
        ends.Report(asked, new InstanceEnd(loss, null));
        ends.Report(known, new InstanceEnd(null, StopReason.TimedOut));
        ends.Report(known, new InstanceEnd(loss, null));
        ends.Report(known, new InstanceEnd(null, StopReason.Idle));
        var unknown = ends.WhyAsync(never, TimeSpan.FromSeconds(1)).AsTask();
        time.Advance(TimeSpan.FromSeconds(1));

        Assert.Equal(loss, (await waiting)?.Loss);
        Assert.Equal(loss, (await ends.WhyAsync(known, TimeSpan.Zero))?.Loss);
        Assert.Null(await unknown);
    }

    [Fact]
    public void History_tells_why_the_next_engine_starts()
    {
        var history = new RevisionHistory();
        var learned = default(LearnedTimes).WithStart(TimeSpan.FromSeconds(1));
        Assert.Equal(StartCause.First, history.Recall(Revision).Next);

        history.BecameReady(Revision);
        var idle = new IdleMemory();
        history.Keep(Revision, learned, idle);
        Assert.Equal(new RevisionPast(StartCause.Idle, learned, idle), history.Recall(Revision));
        Assert.Equal(StartCause.Rollout, history.Recall(new RevisionId(Endpoint, 2)).Next);

        history.Ended(Revision, StartCause.Eviction);
        Assert.Equal(new RevisionPast(StartCause.Eviction, learned, idle), history.Recall(Revision));
        history.Forget(Endpoint);
        Assert.Equal(StartCause.First, history.Recall(Revision).Next);
    }

    [Fact]
    public async Task An_optimised_file_that_is_known_is_found_without_the_database()
    {
        var blobs = new NamedBlobs();
        var files = new OptimisedFiles(blobs, blobs);
        var model = new PackageFile("model.onnx", new BlobHash(new string('a', 64)), 1);
        var optimised = new PackageFile("model.ort", new BlobHash(new string('b', 64)), 1);
        var revision = new Revision
        {
            Id = Revision,
            Tenant = TenantId.Default,
            State = RevisionState.Ready,
            Package = new Package([model]),
            Spec = new RevisionSpec { Runtime = RuntimeKind.Onnx.Name },
            CreatedAt = default,
        };

        Assert.Null(files.PathFor(TenantId.Default, model, "key"));
        await blobs.SaveAsync(TenantId.Default, model.Hash, "key", optimised, TestContext.Current.CancellationToken);
        await files.PrefetchAsync(revision, TestContext.Current.CancellationToken);
        var lookups = blobs.Lookups;

        Assert.Equal("/blobs/" + optimised.Hash, files.PathFor(TenantId.Default, model, "key"));
        Assert.Null(files.PathFor(new TenantId("acme"), model, "key"));
        Assert.Equal(lookups + 1, blobs.Lookups);
    }
}
