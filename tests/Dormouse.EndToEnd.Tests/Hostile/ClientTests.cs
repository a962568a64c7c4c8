using System.Text.Json.Nodes;
using Dormouse.EndToEnd.Tests.Inference;
using Dormouse.EndToEnd.Tests.Running;

namespace Dormouse.EndToEnd.Tests.Hostile;

/// <summary>Clients that are slow on purpose. Each endpoint here has one slot, so that a slot they hold is one that others lack.</summary>
public sealed class ClientTests(HostileServer hostile) : HostileTests(hostile)
{
    private static readonly JsonObject OneSlot = new() { ["concurrency"] = 1, ["max_instances"] = 1, ["queue_timeout"] = "60s" };

    [Fact]
    public async Task A_client_that_sends_a_byte_a_second_is_refused_and_holds_no_slot()
    {
        await DeployAsync("slow", HostileModels.Line(), OneSlot);
        // Warm from here on: no start is within the time that the slow client is given.
        await AssertAnswersAsync("slow");
        using var connection = await RawConnection.OpenAsync(Server, Cancelled);
        await connection.SendAsync(RawConnection.Head(Server, "POST", "/v2/models/slow/infer", "Content-Length: 1000"), Cancelled);
        var answer = connection.AnswerAsync(Cancelled);
        var sending = SendSlowlyAsync(connection, answer);

        await AssertAnswersAsync("slow");
        Assert.False(answer.IsCompleted, "The slow client was answered before the others: the test shows nothing.");

        Refusal.Check(await answer, "/v2/models/slow/infer", 408, "body_too_slow", "slowly");
        await sending;
    }

    [Fact]
    public async Task A_client_whose_large_body_stalls_gives_its_slot_back()
    {
        await DeployAsync("slow", HostileModels.Line(), OneSlot);
        // Warm from here on: no start is within the time that the slow client is given.
        await AssertAnswersAsync("slow");
        using var connection = await RawConnection.OpenAsync(Server, Cancelled);
        await connection.SendAsync(RawConnection.Head(Server, "POST", "/v2/models/slow/infer", $"Content-Length: {8 << 20}"), Cancelled);
        await connection.SendAsync(new byte[2 << 20], Cancelled);
        var answer = connection.AnswerAsync(Cancelled);
        var sending = SendSlowlyAsync(connection, answer);

        await AssertAnswersAsync("slow");

        Refusal.Check(await answer, "/v2/models/slow/infer", 408, "body_too_slow", "slowly");
        await sending;
    }

    [Fact]
    public async Task A_client_that_leaves_in_the_middle_of_its_body_gives_its_slot_back()
    {
        await DeployAsync("slow", HostileModels.Line(), OneSlot);
        using (var connection = await RawConnection.OpenAsync(Server, Cancelled))
        {
            await connection.SendAsync(RawConnection.Head(Server, "POST", "/v2/models/slow/infer", $"Content-Length: {8 << 20}"), Cancelled);
            await connection.SendAsync(new byte[2 << 20], Cancelled);
        }

        await AssertAnswersAsync("slow");
    }

    [Fact]
    public async Task A_client_that_never_reads_its_answer_holds_no_slot_and_is_cut_off()
    {
        const int Elements = 16 << 20;
        await DeployAsync("large", HostileModels.Zeros(), OneSlot);
        using var connection = await RawConnection.OpenAsync(Server, Cancelled, receiveBytes: 4096);
        var body = new JsonObject
        {
            ["inputs"] = new JsonArray(JsonNode.Parse(Int64("shape", Elements).Json(binary: false))),
            ["parameters"] = new JsonObject { ["binary_data_output"] = true },
        }.ToJsonString();
        await connection.SendAsync(RawConnection.Head(Server, "POST", "/v2/models/large/infer", $"Content-Length: {body.Length}") + body, Cancelled);
        var begun = await connection.BeginAnswerAsync(16, Cancelled);
        if (!begun.StartsWith("HTTP/1.1 200", StringComparison.Ordinal))
        {
            Assert.Fail(begun + (await connection.RestAsync(Cancelled)));
        }

        for (var i = 0; i < 5; i++)
        {
            Assert.Equal(3, (await InferCall.SendAsync(Server, "large", [Int64("shape", 3)], binary: true, Cancelled))["zeros"].Count);
        }

        using (var stopped = await Server.PostAsync("/api/v1/endpoints/large/stop", null, Cancelled))
        {
            Assert.True(stopped.IsSuccessStatusCode);
        }

        await Waiting.UntilAsync(async () => (await Server.InstancesAsync("large", Cancelled)).Count == 0, "the instance has ended", Cancelled);
        Assert.InRange(await connection.DrainAsync(Cancelled), 0, (Elements * sizeof(float)) - 1);
    }

    private async Task AssertAnswersAsync(string endpoint)
    {
        var answer = await InferCall.SendAsync(Server, endpoint, [new Tensor("x", "FP32", [1], BitConverter.GetBytes(2.5f))], binary: true, Cancelled);
        Assert.Equal([2.5], answer["y"].Doubles());
    }

    /// <summary>A byte a second until there is an answer: this pace is what is tested.</summary>
    private static async Task SendSlowlyAsync(RawConnection connection, Task answer)
    {
        using var pace = new PeriodicTimer(TimeSpan.FromSeconds(1));
        try
        {
            while (!answer.IsCompleted && await pace.WaitForNextTickAsync(Cancelled))
            {
                await connection.SendAsync(new byte[] { (byte)' ' }, Cancelled);
            }
        }
        catch (IOException)
        {
            // Cut off: the answer tells.
        }
    }
}
