using Dormouse.Core.Dispatch;
using Dormouse.Core.Endpoints;

namespace Dormouse.Core.Tests.Dispatch;

/// <summary>
/// The limit on a made-up server with a knee: up to k at once a run takes 10 ms, beyond it k ÷ n as quick, each drawn with noise. Callers always wait. The band that is
/// promised: once found, on average between 0.85 × k and 1.35 × k + 1, and never beyond 2 × k + 1.
/// </summary>
public sealed class SlotLimitTests
{
    private const int Max = 64;

    [Theory]
    [InlineData(1, 8, 0.3)]
    [InlineData(2, 2, 0.3)]
    [InlineData(2, 16, 0.1)]
    [InlineData(4, 2, 0.3)]
    [InlineData(6, 64, 0.3)]
    [InlineData(8, 2, 0.6)]
    [InlineData(16, 2, 0.3)]
    [InlineData(24, 1, 0.3)]
    [InlineData(3, 1, 1.0)]
    public void It_ends_at_the_knee(int knee, int first, double noise)
    {
        for (var seed = 1; seed <= 5; seed++)
        {
            var server = new KneeServer(first, noise, seed) { Knee = knee };

            server.Run(40_000);

            server.AssertAtKnee(60_000);
        }
    }

    [Fact]
    public void A_knee_that_moves_is_followed_down_and_up()
    {
        var server = new KneeServer(2, 0.3, 7) { Knee = 4 };
        foreach (var knee in new[] { 4, 16, 3, 12, 1, 6 })
        {
            server.Knee = knee;
            server.Run(60_000);
            server.AssertAtKnee(40_000);
        }
    }

    [Fact]
    public void Runs_that_get_longer_for_another_reason_leave_the_limit_where_it_is()
    {
        var server = new KneeServer(2, 0.3, 3) { Knee = 8 };
        server.Run(60_000);

        server.BaseMs = 35;
        server.Run(5_000);

        server.AssertAtKnee(40_000);
    }

    [Fact]
    public void A_limit_that_nothing_bounds_rises_to_the_most_allowed()
    {
        var server = new KneeServer(2, 0.3, 3) { Knee = 1_000 };

        server.Run(60_000);

        server.AssertMean(40_000, Max * 0.9, Max);
    }

    [Fact]
    public void Few_calls_change_nothing()
    {
        var limit = Limit(4);

        for (var i = 0; i < 10_000; i++)
        {
            limit.Ended(new EndedRun(SlotEnd.Completed, At(i), TimeSpan.FromMilliseconds(10), 1, IsFirst: false), At(i + 10));
        }

        Assert.Equal(4, limit.Current);
    }

    [Fact]
    public void A_number_is_left_alone()
    {
        var limit = new SlotLimit(new RevisionSpec { Runtime = "onnx", Concurrency = 3, BatchMax = 2 }, null);

        limit.Ended(new EndedRun(SlotEnd.TimedOut, At(0), TimeSpan.FromSeconds(60), 6, IsFirst: false), At(1));

        Assert.Equal((6, null), (limit.Current, limit.State));
    }

    [Fact]
    public void What_an_earlier_engine_found_is_where_the_next_begins()
    {
        var limit = Limit(4);
        limit.Ended(new EndedRun(SlotEnd.TimedOut, At(0), TimeSpan.FromSeconds(60), 4, IsFirst: false), At(1));

        var next = new SlotLimit(Spec(4), limit.State);

        Assert.Equal(2, next.Current);
    }

    [Fact]
    public void Small_steps_are_not_told_and_large_ones_are_with_their_numbers()
    {
        var server = new KneeServer(8, 0.1, 1) { Knee = 2 };

        server.Run(40_000);

        Assert.NotEmpty(server.Told);
        Assert.All(server.Told, change => Assert.True(Math.Abs(change.To - change.From) * 4 >= change.From, $"{change}"));
        Assert.Contains("concurrency limit 8 → ", Sentences.LimitChanged(server.Told[0]), StringComparison.Ordinal);
        Assert.Contains(" with the whole limit in use, ", Sentences.LimitChanged(server.Told[0]), StringComparison.Ordinal);
    }

    private static RevisionSpec Spec(int first) => new() { Runtime = "onnx", Cpu = first, Concurrency = Max, IsConcurrencyAuto = true };

    private static SlotLimit Limit(int first) => new(Spec(first), null);

    private static MonotonicTime At(double ms) => new((long)(ms * TimeSpan.TicksPerMillisecond));

    /// <summary>One instance that is always full.</summary>
    private sealed class KneeServer(int first, double noise, int seed)
    {
        private readonly SlotLimit _limit = Limit(first);
        private readonly Random _random = new(seed);
        private readonly PriorityQueue<double, double> _running = new();
        private double _now;

        public int Knee { get; set; }

        public double BaseMs { get; set; } = 10;

        public List<LimitChange> Told { get; } = [];

        public List<int> Seen { get; } = [];

        public void Run(int runs)
        {
            for (var i = 0; i < runs; i++)
            {
                while (_running.Count < _limit.Current)
                {
                    // What is there already gets slower as well; drawing it when the run begins is near enough.
                    var slower = Math.Max(1, (_running.Count + 1) / (double)Knee);
                    _running.Enqueue(_now, _now + (BaseMs * slower * Math.Exp((noise * Normal()) - (noise * noise / 2))));
                }

                _running.TryDequeue(out var began, out var ended);
                _now = ended;
                if (_limit.Ended(new EndedRun(SlotEnd.Answering, At(began), TimeSpan.FromMilliseconds(ended - began), _running.Count + 1, IsFirst: false), At(ended)) is { } change)
                {
                    Told.Add(change);
                }

                Seen.Add(_limit.State!.Value.Limit);
            }
        }

        public void AssertAtKnee(int runs)
        {
            AssertMean(runs, 0.85 * Knee, (1.35 * Knee) + 1);
            Assert.True(Seen[^runs..].Max() <= (2 * Knee) + 1, $"knee {Knee}, seed {seed}: the limit was {Seen[^runs..].Max()}");
        }

        public void AssertMean(int runs, double least, double most)
        {
            Run(runs);
            var mean = Seen[^runs..].Average();
            Assert.True(mean >= least && mean <= most, $"knee {Knee}, seed {seed}: the limit is {mean:0.00} on average; {least:0.##} to {most:0.##} is promised");
        }

        private double Normal() => Math.Sqrt(-2 * Math.Log(1 - _random.NextDouble())) * Math.Cos(2 * Math.PI * _random.NextDouble());
    }
}
