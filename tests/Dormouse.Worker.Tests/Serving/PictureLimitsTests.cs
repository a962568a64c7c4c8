using System.Net;
using System.Text.Json.Nodes;
using Dormouse.Protocol.Launching;
using Dormouse.Worker.Tests.Support;
using SkiaSharp;

namespace Dormouse.Worker.Tests.Serving;

/// <summary>Pictures share an instance's memory and its runs: how large they may be, and how many are decoded at once.</summary>
public sealed class PictureLimitsTests
{
    // White is so many turns that the run never ends.
    private const string Signature = """{"picture":{"width":1,"height":1,"fit":"stretch","channels":"grey","scale":3e16}}""";

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(64, 2_097_152)]
    [InlineData(512, 16_777_216)]
    public async Task The_most_pixels_follow_the_instances_memory(int memoryMib, int pixelsMax)
    {
        using var folder = new ModelFolder(Turning());
        await using var worker = await ServeAsync(folder, memoryMib);

        using var answer = await PostAsync(worker, PictureFiles.PngClaiming((pixelsMax / 1024) + 1, 1024), Cancellation);

        Assert.Equal(422, (int)answer.StatusCode);
        var detail = JsonNode.Parse(await answer.Content.ReadAsStringAsync(Cancellation))!["detail"]!.GetValue<string>();
        Assert.Contains($"{pixelsMax} are allowed", detail, StringComparison.Ordinal);
        Assert.Contains($"{memoryMib} MiB", detail, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_picture_is_decoded_only_when_its_run_has_a_place()
    {
        using var folder = new ModelFolder(Turning());
        await using var worker = await ServeAsync(folder, memoryMib: 64);
        using var leaving = CancellationTokenSource.CreateLinkedTokenSource(Cancellation);
        using var bitmap = new SKBitmap(1, 1);
        bitmap.Erase(SKColors.White);
        using var encoded = bitmap.Encode(SKEncodedImageFormat.Png, 100);
        var white = encoded.ToArray();

        // One runs for ever and one waits for ever; the third is refused, so both have their places.
        var endless = Enumerable.Range(0, 3).Select(_ => PostAsync(worker, white, leaving.Token)).ToList();
        using var third = await await Task.WhenAny(endless);
        Assert.Equal(HttpStatusCode.ServiceUnavailable, third.StatusCode);

        using var broken = await PostAsync(worker, [1, 2, 3], Cancellation);

        Assert.Equal(HttpStatusCode.ServiceUnavailable, broken.StatusCode);
        await leaving.CancelAsync();
        foreach (var left in endless.Where(call => !call.IsCompletedSuccessfully))
        {
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => left);
        }
    }

    [Fact]
    public async Task A_failed_run_says_how_long_it_ran()
    {
        using var folder = new ModelFolder(Onnx.Add());
        await using var worker = await TestLauncher.StartAsync();
        Assert.IsType<WorkerReady>(await folder.ServeAsync(worker));

        var answer = await InferCall.BinaryAsync(worker, [new TestTensor("a", "FP32", [2], new byte[8]), new TestTensor("b", "FP32", [3], new byte[12])]);

        Assert.Equal("input_invalid", answer.Code);
        Assert.NotEqual("0", Assert.Single(answer.Response.Headers.GetValues(Protocol.DormouseHeaders.RunMicroseconds)));
    }

    private static async Task<TestLauncher> ServeAsync(ModelFolder folder, int memoryMib)
    {
        var worker = await TestLauncher.StartAsync();
        Assert.IsType<WorkerReady>(await folder.ServeAsync(worker, change: a => a with { Signature = Signature, MemoryMib = memoryMib, Concurrency = 1 }));
        return worker;
    }

    private static Task<HttpResponseMessage> PostAsync(TestLauncher worker, byte[] picture, CancellationToken cancellationToken) =>
        worker.Client.PostAsync("", new ByteArrayContent(picture), cancellationToken);

    /// <summary>Takes one pixel and turns as often as it is bright.</summary>
    private static byte[] Turning()
    {
        var body = Onnx.Graph(
            Onnx.Node("Identity", ["condition"], ["again"]), Onnx.Node("Add", ["count", "one"], ["next"]),
            Onnx.Initialiser("one", Onnx.Int64, new[] { 1L }, 1),
            Onnx.Input("turn", Onnx.Int64), Onnx.Input("condition", Onnx.Bool), Onnx.Input("count", Onnx.Int64, 1),
            Onnx.Output("again", Onnx.Bool), Onnx.Output("next", Onnx.Int64, 1));
        return Onnx.Model(Onnx.Graph(
            Onnx.Node("Reshape", ["x", "shape"], ["turns"]),
            Onnx.Node("Loop", ["turns", "yes", "zero"], ["y"], Onnx.GraphAttribute("body", body)),
            Onnx.Initialiser("shape", Onnx.Int64, new[] { 1L }, 1),
            Onnx.Initialiser("yes", Onnx.Bool, new[] { true }), Onnx.Initialiser("zero", Onnx.Int64, new[] { 0L }, 1),
            Onnx.Input("x", Onnx.Int64, 1, 1, 1, 1), Onnx.Output("y", Onnx.Int64, 1)));
    }
}
