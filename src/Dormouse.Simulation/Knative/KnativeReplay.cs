using System.Globalization;
using Dormouse.Core.Scaling;

namespace Dormouse.Simulation.Knative;

/// <param name="Ticks">Decisions that were compared, the one that differs included.</param>
/// <param name="FirstDifference">Null when all are the same.</param>
public sealed record ReplayResult(int Ticks, RecordedDifference? FirstDifference);

/// <summary>A column in which our answer is not Knative's.</summary>
/// <param name="Column">Its name in the file.</param>
/// <param name="Expected">Knative's.</param>
/// <param name="Actual">Ours.</param>
public sealed record RecordedDifference(long Second, string Column, string Expected, string Actual);

/// <summary>Feeds a recorded load to the product's own autoscaler and compares every decision. The ready instances are recorded too, so one difference makes no other.</summary>
public static class KnativeReplay
{
    private const string None = "no decision";

    public static ReplayResult Run(KnativeRecording recording)
    {
        var policy = recording.Policy;
        var (stable, panic) = (new LoadWindow(policy.StableWindow), new LoadWindow(policy.PanicWindow));
        var state = AutoscalerState.TakingOver(recording.InitialReadyInstances, recording.Seconds[0].Second);
        var next = 0;
        for (var i = 0; i < recording.Ticks.Length; i++)
        {
            var (second, expected) = recording.Ticks[i];
            // A second's sample is known before that second's decision.
            for (; next < recording.Seconds.Length && recording.Seconds[next].Second <= second; next++)
            {
                if (recording.Seconds[next].Load is { } load)
                {
                    stable.Record(recording.Seconds[next].Second, load);
                    panic.Record(recording.Seconds[next].Second, load);
                }
            }

            RecordedAnswer? actual = null;
            if (!stable.IsEmpty(second))
            {
                var sample = new AutoscalerSample(second, stable.Average(second), panic.Average(second), recording.Seconds[next - 1].ReadyInstances);
                var decision = Autoscaler.Decide(policy, state, sample);
                state = decision.Next;
                actual = new RecordedAnswer(
                    sample.StableAverage, sample.PanicAverage, decision.Wanted, decision.Instances, decision.IsPanic, decision.PanicInstances, decision.ExcessCapacity);
            }

            if (actual != expected)
            {
                return new ReplayResult(i + 1, Compare(second, expected, actual));
            }
        }

        return new ReplayResult(recording.Ticks.Length, null);
    }

    private static RecordedDifference Compare(long second, RecordedAnswer? expected, RecordedAnswer? actual)
    {
        if (expected is not { } wanted || actual is not { } got)
        {
            return new RecordedDifference(second, "desired_pods", Text(expected?.Wanted), Text(actual?.Wanted));
        }

        (string Column, object Expected, object Actual)[] columns =
        [
            ("stable_average", wanted.StableAverage, got.StableAverage),
            ("panic_average", wanted.PanicAverage, got.PanicAverage),
            ("panic", wanted.IsPanic ? 1 : 0, got.IsPanic ? 1 : 0),
            ("desired_pods", wanted.Wanted, got.Wanted),
            ("desired_pods_bounded", wanted.Instances, got.Instances),
            ("panic_pods", wanted.PanicInstances, got.PanicInstances),
            ("excess_burst_capacity", wanted.ExcessCapacity, got.ExcessCapacity),
        ];
        var first = columns.First(c => !c.Expected.Equals(c.Actual));
        return new RecordedDifference(second, first.Column, Text(first.Expected), Text(first.Actual));
    }

    private static string Text(object? value) => Convert.ToString(value, CultureInfo.InvariantCulture) is { Length: > 0 } text ? text : None;
}
