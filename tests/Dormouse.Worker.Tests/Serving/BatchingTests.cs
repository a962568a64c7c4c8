using System.Globalization;
using System.Net;
using System.Runtime.InteropServices;
using System.Text.Json.Nodes;
using Dormouse.Protocol;
using Dormouse.Protocol.Launching;
using Dormouse.Worker.Tests.Support;

namespace Dormouse.Worker.Tests.Serving;

/// <summary>
/// Invocations that share a run. A batch's delay is longer than any test, so that a batch begins when it is full and never by luck.
/// </summary>
public sealed class BatchingTests
{
    private const long LongDelayMicroseconds = 600_000_000;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Each_caller_of_a_batch_gets_its_own_rows()
    {
        using var folder = new ModelFolder(Onnx.Model(Onnx.Graph(
            Onnx.Node("Neg", ["x"], ["y"]), Onnx.Input("x", Onnx.Float, "n", 2), Onnx.Output("y", Onnx.Float, "n", 2))));
        await using var worker = await ServeAsync(folder, batchMax: 5);

        var answers = await Task.WhenAll(
            InferCall.BinaryAsync(worker, [Floats("x", [1, 2], 1, 2)]),
            InferCall.JsonAsync(worker, [Floats("x", [3, 2], 3, 4, 5, 6, 7, 8)]),
            InferCall.BinaryAsync(worker, [Floats("x", [1, 2], 9, 10)]));

        Assert.Equal([-1, -2], Values(answers[0], "y"));
        Assert.Equal([-3, -4, -5, -6, -7, -8], Values(answers[1], "y"));
        Assert.Equal([3, 2], answers[1].Outputs["y"].Shape);
        Assert.Equal([-9, -10], Values(answers[2], "y"));
        Assert.All(answers, answer => Assert.Equal(5, RowsOf(answer)));
        Assert.Single(answers, IsFirst);
    }

    [Fact]
    public async Task Every_input_and_output_of_a_model_is_joined_and_split_whatever_their_order_in_the_request()
    {
        using var folder = new ModelFolder(Onnx.Model(Onnx.Graph(
            Onnx.Node("Sub", ["a", "b"], ["d"]), Onnx.Node("Identity", ["t"], ["u"]),
            Onnx.Input("a", Onnx.Float, "n"), Onnx.Input("b", Onnx.Float, "n"), Onnx.Input("t", Onnx.String, "n"),
            Onnx.Output("d", Onnx.Float, "n"), Onnx.Output("u", Onnx.String, "n"))));
        await using var worker = await ServeAsync(folder, batchMax: 2);

        var answers = await Task.WhenAll(
            InferCall.BinaryAsync(worker, [Floats("a", [1], 5), Floats("b", [1], 3), Text("t", "left")]),
            InferCall.BinaryAsync(worker, [Text("t", "right"), Floats("b", [1], 1), Floats("a", [1], 8)]));

        Assert.Equal((2.0, "left"), (answers[0].Outputs["d"].Value(0), TestTensor.Texts(answers[0].Outputs["u"].Data).Single()));
        Assert.Equal((7.0, "right"), (answers[1].Outputs["d"].Value(0), TestTensor.Texts(answers[1].Outputs["u"].Data).Single()));
        Assert.All(answers, answer => Assert.Equal(2, RowsOf(answer)));
    }

    [Fact]
    public async Task A_bad_item_is_refused_before_it_joins_and_its_neighbours_are_served()
    {
        using var folder = new ModelFolder(Onnx.Identity(Onnx.Float, "n", 2));
        await using var worker = await ServeAsync(folder, batchMax: 2);

        var first = InferCall.BinaryAsync(worker, [Floats("x", [1, 2], 1, 2)]);
        var bad = await InferCall.BinaryAsync(worker, [Floats("x", [1, 3], 1, 2, 3)]);
        var second = await InferCall.BinaryAsync(worker, [Floats("x", [1, 2], 3, 4)]);

        Assert.Equal((HttpStatusCode.BadRequest, "input_invalid"), (bad.Response.StatusCode, bad.Code));
        Assert.Equal([1, 2], Values(await first, "y"));
        Assert.Equal([3, 4], Values(second, "y"));
        Assert.Equal(2, RowsOf(second));
    }

    [Fact]
    public async Task When_a_batch_fails_only_the_culprit_does()
    {
        using var folder = new ModelFolder(Onnx.Model(Onnx.Graph(
            Onnx.Node("Gather", ["table", "x"], ["y"]), Onnx.Initialiser("table", Onnx.Float, new[] { 10f, 20f, 30f }, 3),
            Onnx.Input("x", Onnx.Int64, "n"), Onnx.Output("y", Onnx.Float, "n"))));
        await using var worker = await ServeAsync(folder, batchMax: 3);

        var answers = await Task.WhenAll(new[] { 0L, 99L, 2L }.Select(index => InferCall.BinaryAsync(worker, [new TestTensor("x", "INT64", [1], BitConverter.GetBytes(index))])));

        Assert.Equal([10], Values(answers[0], "y"));
        Assert.Equal((HttpStatusCode.BadRequest, "input_invalid"), (answers[1].Response.StatusCode, answers[1].Code));
        Assert.Equal([30], Values(answers[2], "y"));
        Assert.Equal((1, 1), (RowsOf(answers[0]), RowsOf(answers[2])));
    }

    [Fact]
    public async Task A_request_with_more_rows_than_a_batch_runs_alone_and_at_once()
    {
        using var folder = new ModelFolder(Onnx.Identity(Onnx.Float, "n"));
        await using var worker = await ServeAsync(folder, batchMax: 2);

        var answer = await InferCall.BinaryAsync(worker, [Floats("x", [3], 1, 2, 3)]);

        Assert.Equal([1, 2, 3], Values(answer, "y"));
        Assert.Equal(3, RowsOf(answer));
    }

    [Fact]
    public async Task Outputs_that_do_not_have_the_batchs_rows_make_it_run_one_by_one()
    {
        // Served without having been verified: its output has one row whatever comes in.
        using var folder = new ModelFolder(Onnx.Model(Onnx.Graph(
            Onnx.Node("ReduceMax", ["x"], ["y"], Onnx.IntAttribute("keepdims", 1)), Onnx.Input("x", Onnx.Float, "n"), Onnx.Output("y", Onnx.Float, 1))));
        await using var worker = await ServeAsync(folder, batchMax: 2);

        var answers = await Task.WhenAll(InferCall.BinaryAsync(worker, [Floats("x", [1], 4)]), InferCall.BinaryAsync(worker, [Floats("x", [1], 9)]));

        Assert.Equal([4.0, 9.0], answers.Select(answer => answer.Outputs["y"].Value(0)));
    }

    [Fact]
    public async Task Other_outputs_asked_for_are_another_batch_and_other_forms_of_the_same_are_not()
    {
        using var folder = new ModelFolder(Onnx.Model(Onnx.Graph(
            Onnx.Node("Neg", ["x"], ["a"]), Onnx.Node("Abs", ["x"], ["b"]), Onnx.Input("x", Onnx.Float, "n", 2), Onnx.Output("a", Onnx.Float, "n", 2), Onnx.Output("b", Onnx.Float, "n", 2))));
        await using var worker = await ServeAsync(folder, batchMax: 2, concurrency: 2);
        // Two runs of two rows: the one that waits alone leaves room for the two that join.
        var best = new JsonObject { ["name"] = "a", ["parameters"] = new JsonObject { ["classification"] = 1 } };

        var alone = InferCall.JsonAsync(worker, [Floats("x", [1, 2], -3, 3)], [new JsonObject { ["name"] = "b" }]);
        var answers = await Task.WhenAll(
            InferCall.JsonAsync(worker, [Floats("x", [1, 2], -1, 1)], [best]),
            InferCall.JsonAsync(worker, [Floats("x", [1, 2], 1, -1)], [new JsonObject { ["name"] = "a" }]));

        Assert.Equal(["1:0"], TestTensor.Texts(answers[0].Outputs["a"].Data));
        Assert.Equal([-1, 1], Values(answers[1], "a"));
        Assert.All(answers, answer => Assert.Equal(2, RowsOf(answer)));
        Assert.False(alone.IsCompleted);
        await InferCall.JsonAsync(worker, [Floats("x", [1, 2], 0, 0)], [new JsonObject { ["name"] = "b" }]);
        Assert.Equal([3, 3], Values(await alone, "b"));
    }

    [Fact]
    public async Task Without_a_delay_a_single_call_is_answered_without_others()
    {
        using var folder = new ModelFolder(Onnx.Identity(Onnx.Float, "n"));
        await using var worker = await ServeAsync(folder, batchMax: 8, delayMicroseconds: 0);

        var answer = await InferCall.BinaryAsync(worker, [Floats("x", [1], 1)]);

        Assert.Equal([1], Values(answer, "y"));
        Assert.Equal(1, RowsOf(answer));
    }

    [Fact]
    public async Task As_many_wait_at_once_as_all_runs_have_rows()
    {
        using var folder = new ModelFolder(Onnx.Identity(Onnx.Float, "n"));
        await using var worker = await ServeAsync(folder, batchMax: 16, concurrency: 2);

        var answers = await Task.WhenAll(Enumerable.Range(0, 32).Select(i => InferCall.BinaryAsync(worker, [Floats("x", [1], i)])));

        Assert.Equal(Enumerable.Range(0, 32).Select(i => (double)i), answers.Select(answer => answer.Outputs["y"].Value(0)));
        Assert.Equal(2, answers.Count(IsFirst));
    }

    [Fact]
    public async Task Pictures_are_joined_after_they_are_decoded()
    {
        var digits = Path.Combine(Checkout(), "models", "digits");
        using var folder = new ModelFolder(await File.ReadAllBytesAsync(Path.Combine(digits, "model.onnx"), Cancellation));
        folder.Write("labels.txt", await File.ReadAllBytesAsync(Path.Combine(digits, "labels.txt"), Cancellation));
        await using var worker = await ServeAsync(folder, batchMax: 10, signature:
            """{"picture":{"width":8,"height":8,"fit":"stretch","channels":"grey","scale":-0.00392156862745098,"mean":[-1]},"labels":{"file":"labels.txt","top":3,"softmax":true}}""");
        string[] words = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"];

        var answers = await Task.WhenAll(words.Select(async word =>
        {
            using var content = new ByteArrayContent(await File.ReadAllBytesAsync(Path.Combine(digits, "examples", word + ".png"), Cancellation));
            var response = await worker.Client.PostAsync("", content, Cancellation);
            Assert.StartsWith("10;", response.Headers.GetValues(DormouseHeaders.Batch).Single(), StringComparison.Ordinal);
            return JsonNode.Parse(await response.Content.ReadAsStringAsync(Cancellation))!;
        }));

        Assert.Equal(Enumerable.Range(0, 10), answers.Select(answer => answer["labels"]![0]!["index"]!.GetValue<int>()));
    }

    internal static string Checkout()
    {
        var folder = new DirectoryInfo(AppContext.BaseDirectory);
        while (!File.Exists(Path.Combine(folder.FullName, "Dormouse.slnx")))
        {
            folder = folder.Parent!;
        }

        return folder.FullName;
    }

    internal static async Task<TestLauncher> ServeAsync(
        ModelFolder folder, int batchMax, long delayMicroseconds = LongDelayMicroseconds, int concurrency = 1, string? signature = null)
    {
        var worker = await TestLauncher.StartAsync();
        var message = await folder.ServeAsync(worker, change: a => a with
        {
            BatchMax = batchMax,
            BatchDelayMicroseconds = delayMicroseconds,
            Concurrency = concurrency,
            Signature = signature,
        });
        Assert.True(message is WorkerReady, message.ToString());
        return worker;
    }

    internal static int RowsOf(InferCall.Answer answer) => int.Parse(Part(answer, 0), CultureInfo.InvariantCulture);

    private static bool IsFirst(InferCall.Answer answer) => Part(answer, 2) == "1";

    private static string Part(InferCall.Answer answer, int index)
    {
        Assert.True(answer.Response.IsSuccessStatusCode, answer.Json.ToString());
        return answer.Response.Headers.GetValues(DormouseHeaders.Batch).Single().Split(';')[index];
    }

    private static TestTensor Floats(string name, long[] shape, params float[] values) => new(name, "FP32", shape, MemoryMarshal.AsBytes<float>(values).ToArray());

    private static TestTensor Text(string name, string text) => new(name, "BYTES", [1], InferCall.Prefixed(System.Text.Encoding.UTF8.GetBytes(text)));

    private static IEnumerable<double> Values(InferCall.Answer answer, string output) => Enumerable.Range(0, answer.Outputs[output].Count).Select(answer.Outputs[output].Value);
}
