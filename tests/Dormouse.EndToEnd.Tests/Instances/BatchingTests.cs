using System.Text.Json.Nodes;
using Dormouse.EndToEnd.Tests.Inference;
using Dormouse.EndToEnd.Tests.Running;

namespace Dormouse.EndToEnd.Tests.Instances;

/// <summary>Invocations that share runs, through the whole server.</summary>
public sealed class BatchingTests(ServerFixture fixture) : IClassFixture<ServerFixture>
{
    private const int Calls = 160;

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Many_callers_share_runs_and_each_gets_its_own_answer_and_a_fair_bill()
    {
        var server = fixture.Server;
        await Digits.DeployAsync(server, "single", Cancelled, new() { ["concurrency"] = 1 });
        var right = await Digits.AnswersAsync(server, "single", Cancelled);
        // A delay that is long for this model: full batches form whatever the machine does meanwhile.
        await Digits.DeployAsync(server, "shared", Cancelled, new() { ["concurrency"] = 1, ["batch_max"] = 16, ["batch_delay"] = "1s", ["max_instances"] = 1 });

        var answers = await Task.WhenAll(Enumerable.Range(0, Calls).Select(i => InferCall.SendAsync(server, "shared", [Digits.Input(i)], binary: i % 2 == 0, Cancelled)));

        for (var i = 0; i < answers.Length; i++)
        {
            TensorAssert.Close(right[i % Digits.Kinds], answers[i]["scores"].Doubles(), 1e-5, 1e-5, $"answer {i}");
        }

        var statistics = JsonNode.Parse(await server.Http.GetStringAsync("/v2/models/shared/stats", Cancelled))!["model_stats"]![0]!;
        var sizes = statistics["batch_stats"]!.AsArray().Select(s => (Rows: s!["batch_size"]!.GetValue<int>(), Runs: s["compute_infer"]!["count"]!.GetValue<int>())).ToList();
        Assert.Equal(Calls, sizes.Sum(s => s.Rows * s.Runs));
        Assert.Equal(statistics["execution_count"]!.GetValue<int>(), sizes.Sum(s => s.Runs));
        Assert.Contains(sizes, s => s.Rows == 16);
        Assert.All(sizes, s => Assert.InRange(s.Rows, 1, 16));
    }

    [Fact]
    public async Task A_model_whose_rows_do_not_stand_alone_is_refused_with_the_reason()
    {
        var server = fixture.Server;

        using var response = await server.TryDeployAsync("fixed", [("model.onnx", SmallModels.Counter())], Cancelled, new() { ["batch_max"] = 8 });

        var problem = JsonNode.Parse(await response.Content.ReadAsStringAsync(Cancelled))!;
        Assert.Equal("model_invalid", problem["code"]!.GetValue<string>());
        Assert.Contains("cannot share a run", problem["detail"]!.GetValue<string>(), StringComparison.Ordinal);
    }
}
