using System.Text.Json.Nodes;
using Dormouse.EndToEnd.Tests.Inference;
using Dormouse.EndToEnd.Tests.Running;

namespace Dormouse.EndToEnd.Tests.Hostile;

/// <summary>Runs that want more memory or time than there is end by themselves, and the next run finds a working endpoint.</summary>
public sealed class RunTests(HostileServer hostile) : HostileTests(hostile)
{
    private static readonly JsonObject FiveSeconds = new() { ["timeout"] = "5s", ["concurrency"] = 1 };

    [Fact]
    public async Task An_output_of_400_GB_is_refused_and_the_next_run_works()
    {
        await DeployAsync("huge", HostileModels.Zeros());

        await Refusal.AssertAsync(await InferAsync("huge", Int64("shape", 100_000_000_000)), 502, "memory_exceeded", "memory");

        Assert.Equal(3, (await InferCall.SendAsync(Server, "huge", [Int64("shape", 3)], binary: true, Cancelled))["zeros"].Count);
    }

    [Theory]
    [InlineData(1L << 62, 1L << 62)]
    [InlineData(long.MaxValue, 2)]
    public async Task A_computed_shape_that_overflows_is_refused(long rows, long columns)
    {
        await DeployAsync("huge", HostileModels.Zeros());
        await Refusal.AssertAsync(await InferAsync("huge", Int64("shape", rows, columns)), 502, "memory_exceeded", "memory");
    }

    [Fact]
    public async Task A_computed_shape_below_zero_is_the_inputs_fault()
    {
        await DeployAsync("huge", HostileModels.Zeros());
        await Refusal.AssertAsync(await InferAsync("huge", Int64("shape", -5)), 400, "input_invalid");
    }

    [Fact]
    public async Task A_run_that_never_ends_is_ended_at_its_limit_and_the_next_run_works()
    {
        await DeployAsync("counting", HostileModels.Counting(), FiveSeconds);

        await Refusal.AssertAsync(await InferAsync("counting", Int64("times", long.MaxValue)), 504, "deadline_exceeded", "5 s", "--timeout");

        var count = await InferCall.SendAsync(Server, "counting", [Int64("times", 5)], binary: true, Cancelled);
        Assert.Equal([5.0], count["count"].Doubles());
    }

    [Fact]
    public async Task A_caller_who_leaves_an_endless_run_leaves_no_process_behind_it()
    {
        await DeployAsync("counting", HostileModels.Counting(), FiveSeconds);
        await InferCall.SendAsync(Server, "counting", [Int64("times", 1)], binary: true, Cancelled);
        using (var leaving = await RawConnection.OpenAsync(Server, Cancelled))
        {
            var body = new JsonObject { ["inputs"] = new JsonArray(JsonNode.Parse(Int64("times", long.MaxValue).Json(binary: false))) }.ToJsonString();
            await leaving.SendAsync(RawConnection.Head(Server, "POST", "/v2/models/counting/infer", $"Content-Length: {body.Length}") + body, Cancelled);
            await Waiting.UntilAsync(async () => (await Server.InstancesAsync("counting", Cancelled)).Any(i => i!["running"]!.GetValue<int>() == 1), "the run has begun", Cancelled);
        }

        await Waiting.UntilAsync(async () => (await Server.InstancesAsync("counting", Cancelled)).All(i => i!["running"]!.GetValue<int>() == 0), "the run has ended", Cancelled);
    }

    [Fact]
    public async Task A_model_that_itself_never_ends_is_ended_at_its_limit()
    {
        await DeployAsync("endless", HostileModels.Endless(), FiveSeconds);

        await Refusal.AssertAsync(await InferAsync("endless", """{"inputs":[]}"""), 504, "deadline_exceeded", "5 s");
        await Waiting.UntilAsync(async () => (await Server.InstancesAsync("endless", Cancelled)).Count == 0, "its instance is gone", Cancelled);
    }
}
