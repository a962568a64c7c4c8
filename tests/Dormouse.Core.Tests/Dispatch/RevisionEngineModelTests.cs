using CsCheck;
using Dormouse.Core.Endpoints;

namespace Dormouse.Core.Tests.Dispatch;

/// <summary>Random worlds: whatever happens in whatever order, the engine keeps its promises. A failure prints the seed that replays it.</summary>
public sealed class RevisionEngineModelTests
{
    /// <summary>How often each act happens.</summary>
    private static readonly Act[] Acts =
    [
        .. Enumerable.Repeat(Act.Arrive, 30), .. Enumerable.Repeat(Act.Retry, 3), .. Enumerable.Repeat(Act.Leave, 4), .. Enumerable.Repeat(Act.Complete, 15),
        .. Enumerable.Repeat(Act.Answer, 10), .. Enumerable.Repeat(Act.AnswerLeaves, 8),
        .. Enumerable.Repeat(Act.TimeOut, 2), .. Enumerable.Repeat(Act.Break, 3), .. Enumerable.Repeat(Act.Ready, 15), .. Enumerable.Repeat(Act.Fail, 4),
        .. Enumerable.Repeat(Act.Lose, 4), .. Enumerable.Repeat(Act.Gone, 12), .. Enumerable.Repeat(Act.Hold, 3), .. Enumerable.Repeat(Act.Evict, 3), .. Enumerable.Repeat(Act.GiveWay, 2), Act.Drain, Act.Resume, Act.Stop,
    ];

    /// <summary>Mostly milliseconds, sometimes nothing, sometimes a minute and a half: longer than every time-out.</summary>
    private static readonly long[] PassTicksMost = [0, 100_000, 100_000, 100_000, 20_000_000, 900_000_000];

    private static readonly int[] FrozenMs = [0, 40, 30_000];

    private static readonly int[] IdleMs = [0, 30, 1_000, 60_000];

    private static readonly Gen<RevisionSpec> Specs =
        Gen.Select(Gen.Int[1, 3], Gen.Int[1, 4], Gen.Int[0, 2], Gen.Int[1, 10], Gen.Int[0, IdleMs.Length - 1], Gen.Bool, Gen.Int[0, 11]).Select(
            (concurrency, max, min, limit, idle, isStartShort, extra) => new RevisionSpec
            {
                Runtime = "onnx",
                Concurrency = concurrency,
                BatchMax = idle == 0 ? 3 : 1,
                IsConcurrencyAuto = idle == 1,
                IsConcurrencyUnlimited = idle == 2 && extra % 2 == 1,
                TargetConcurrency = idle == 2 && extra % 4 == 3 ? 1 : null,
                MaxInstances = max,
                MinInstances = Math.Min(min, max),
                Provisioned = Math.Min(Math.Max(0, (extra % 4) - 1), max),
                SpareInstances = Math.Min(extra / 4, max),
                TargetUtilization = extra % 3 == 1 ? 0.5 : null,
                ScaleDownDelay = TimeSpan.FromSeconds(extra % 5 == 4 ? 10 : 0),
                TargetRps = extra % 7 == 3 ? 5 : null,
                MaxScaleDownRate = extra % 2 == 0 ? 1.5 : null,
                ActivationInstances = Math.Min(extra % 4, max),
                ScaleToZeroGrace = TimeSpan.FromSeconds(extra % 6 == 5 ? 3 : 0),
                QueueLimit = limit,
                QueueLimitBytes = 1_000,
                KeepAlive = limit % 2 == 0 ? KeepAliveMode.Learned : KeepAliveMode.Fixed,
                FrozenFor = TimeSpan.FromMilliseconds(FrozenMs[(extra + idle) % FrozenMs.Length]),
                IdleTimeout = TimeSpan.FromMilliseconds(IdleMs[idle]),
                StartTimeout = TimeSpan.FromMilliseconds(isStartShort ? 40 : 60_000),
            });

    private static readonly Gen<Step> Steps =
        Gen.Select(Gen.Int[0, Acts.Length - 1], Gen.Int[0, 20], Gen.Int[0, PassTicksMost.Length - 1], Gen.Int[0, 100], Gen.Long[0, 2_000_000], Gen.Long[0, 500]).Select(
            (act, pick, pass, percent, deadline, bytes) =>
                new Step(Acts[act], pick, PassTicksMost[pass] * percent / 100, percent % 4 == 0 ? 600_000_000 : deadline, bytes));

    private enum Act
    {
        Arrive,
        Retry,
        Leave,
        Complete,
        Answer,
        AnswerLeaves,
        TimeOut,
        Break,
        Ready,
        Fail,
        Lose,
        Gone,
        Hold,
        Evict,
        GiveWay,
        Drain,
        Resume,
        Stop,
        Meter,
        Floor,
        RefuseFreeze,
    }

    [Fact]
    public void Every_promise_holds_after_every_event_and_nothing_is_left_in_the_end() =>
        Gen.Select(Specs, Steps.Array[0, 120], Gen.Bool).Sample(
            (spec, steps, isRetiredInTheEnd) =>
            {
                var world = new EngineWorld(spec);
                world.Pass(TimeSpan.Zero);
                foreach (var step in steps)
                {
                    world.Pass(new TimeSpan(step.PassTicks));
                    Do(world, step);
                }

                if (isRetiredInTheEnd)
                {
                    world.Retire();
                    Assert.Equal(0, world.WaitingCount);
                }
                else
                {
                    world.Drain(false);
                }

                world.ChangeFloor(0);
                world.Finish();
                world.Meter();
                Assert.Equal(0, world.WaitingCount);
                Assert.Equal(!spec.KeepsInstances || isRetiredInTheEnd, world.IsEmpty);
                world.Drain(true);
                world.Finish();
                world.Meter();
                Assert.True(world.IsEmpty);
            },
            iter: 1_000);

    private static void Do(EngineWorld world, Step step)
    {
        switch (step.Act)
        {
            case Act.Arrive:
                world.Arrive(step.DeadlineTicks, step.Bytes, isRetry: false, step.Pick % 4 == 0 ? step.PassTicks : null, (Core.Dispatch.QueuePriority)(step.Pick % 3));
                break;
            case Act.Retry:
                world.Arrive(step.DeadlineTicks, step.Bytes, isRetry: true);
                break;
            case Act.Leave:
                world.Leave(step.Pick);
                break;
            case Act.Complete:
                world.End(step.Pick, Core.Dispatch.SlotEnd.Completed);
                break;
            case Act.Answer:
                world.End(step.Pick, Core.Dispatch.SlotEnd.Answering);
                break;
            case Act.AnswerLeaves:
                world.AnswerLeaves(step.Pick);
                break;
            case Act.TimeOut:
                world.End(step.Pick, Core.Dispatch.SlotEnd.TimedOut);
                break;
            case Act.Break:
                world.End(step.Pick, Core.Dispatch.SlotEnd.Broken);
                break;
            case Act.Ready:
                world.Ready(step.Pick);
                break;
            case Act.Fail:
                world.Fail(step.Pick);
                break;
            case Act.Lose:
                world.Lose(step.Pick);
                break;
            case Act.Gone:
                world.Gone(step.Pick);
                break;
            case Act.Hold:
                world.Hold(step.Pick);
                break;
            case Act.Evict:
                world.Evict(step.Pick);
                break;
            case Act.GiveWay:
                world.GiveWay(step.Pick);
                break;
            case Act.Drain:
                world.Drain(true, step.Pick % 4);
                break;
            case Act.Stop:
                world.Stop();
                break;
            case Act.RefuseFreeze:
                if (step.Pick % 5 == 0)
                {
                    world.RefuseFreeze(step.Pick);
                }

                break;
            case Act.Floor:
                world.ChangeFloor(step.Pick % 4);
                break;
            case Act.Meter:
                world.Meter();
                break;
            case Act.Resume:
                world.Drain(false);
                break;
        }
    }

    private sealed record Step(Act Act, int Pick, long PassTicks, long DeadlineTicks, long Bytes);
}
