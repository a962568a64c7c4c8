using System.Text.Json.Nodes;
using Dormouse.Simulation.Knative;

namespace Dormouse.Simulation.Tests.Knative;

public sealed class KnativeReplayTests
{
    /// <summary>Twelve seconds of our own: 20 at once on one instance, worked out by hand from the definition.</summary>
    private const string Small = """
        {
          "format": "kpa-trace-1", "name": "small",
          "settings": { "total_value": 10, "target_utilization": 0.7, "initial_ready_pods": 1 },
          "samples": [[0, null, 1], [1, null, 1], [2, null, 1], [3, 20, 1], [4, 20, 1], [5, 20, 3], [6, 20, 3]],
          "ticks": [[2, 0, null, null, null, null, 0, null, null], [4, 0, 20, 20, 3, 3, 1, 3, -221], [6, 0, 20, 20, 3, 3, 1, 3, -201]]
        }
        """;

    public static TheoryData<string> Recordings => [.. Shared.Recordings];

    [Theory]
    [MemberData(nameof(Recordings))]
    public void Every_decision_is_the_one_that_Knative_took(string file)
    {
        Assert.SkipWhen(file == Shared.None, "The recorded decisions in ../shared/data/oracle/knative-kpa are absent.");

        var recording = KnativeRecording.Parse(File.ReadAllBytes(Path.Combine(Shared.Folder, file)));
        var result = KnativeReplay.Run(recording);

        Assert.Null(result.FirstDifference);
        Assert.Equal(recording.Ticks.Length, result.Ticks);
    }

    [Fact]
    public void A_recording_of_our_own_is_replayed()
    {
        Assert.Equal(new ReplayResult(3, null), KnativeReplay.Run(Parse(Small)));
    }

    [Theory]
    [InlineData(2, 4, 20.5, "stable_average", "20.5", "20")]
    [InlineData(3, 4, 21, "panic_average", "21", "20")]
    [InlineData(4, 6, 4, "desired_pods", "4", "3")]
    [InlineData(5, 6, 2, "desired_pods_bounded", "2", "3")]
    [InlineData(6, 4, 0, "panic", "0", "1")]
    [InlineData(7, 6, 9, "panic_pods", "9", "3")]
    [InlineData(8, 6, 1, "excess_burst_capacity", "1", "-201")]
    public void A_column_that_differs_is_found(int column, long second, double value, string name, string expected, string actual)
    {
        var changed = Changed(node => Tick(node, second)[column] = value);

        Assert.Equal(new RecordedDifference(second, name, expected, actual), KnativeReplay.Run(changed).FirstDifference);
    }

    [Fact]
    public void A_decision_where_Knative_took_none_is_found()
    {
        var changed = Changed(node =>
        {
            for (var column = 2; column < 9; column++)
            {
                Tick(node, 4)[column] = null;
            }
        });

        Assert.Equal(new RecordedDifference(4, "desired_pods", "no decision", "3"), KnativeReplay.Run(changed).FirstDifference);
    }

    private static JsonArray Tick(JsonNode node, long second) => node["ticks"]!.AsArray().Select(t => t!.AsArray()).Single(t => (long)t[0]! == second);

    private static KnativeRecording Changed(Action<JsonNode> change)
    {
        var node = JsonNode.Parse(Small)!;
        change(node);
        return Parse(node.ToJsonString());
    }

    private static KnativeRecording Parse(string json) => KnativeRecording.Parse(System.Text.Encoding.UTF8.GetBytes(json));

    private static class Shared
    {
        public const string None = "none";

        public static string Folder { get; } = Path.Combine(SharedData.Folder, "oracle", "knative-kpa");

        public static IEnumerable<string> Recordings =>
            Directory.Exists(Folder) ? Directory.EnumerateFiles(Folder, "*.json").Select(f => Path.GetFileName(f)).Order(StringComparer.Ordinal) : [None];
    }
}
