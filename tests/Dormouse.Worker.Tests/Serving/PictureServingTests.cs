using System.Net;
using System.Text.Json.Nodes;
using Dormouse.Protocol.Launching;
using Dormouse.Worker.Tests.Support;

namespace Dormouse.Worker.Tests.Serving;

/// <summary>A picture straight into a worker, on the model that the product ships.</summary>
public sealed class PictureServingTests
{
    private const string Signature =
        """{"picture":{"width":8,"height":8,"fit":"stretch","channels":"grey","scale":-0.00392156862745098,"mean":[-1]},"labels":{"file":"labels.txt","top":3,"softmax":true}}""";

    [Fact]
    public async Task The_shipped_digits_are_read_from_their_pictures()
    {
        var digits = DigitsFolder();
        using var folder = new ModelFolder(await File.ReadAllBytesAsync(Path.Combine(digits, "model.onnx"), TestContext.Current.CancellationToken));
        folder.Write("labels.txt", await File.ReadAllBytesAsync(Path.Combine(digits, "labels.txt"), TestContext.Current.CancellationToken));
        await using var worker = await TestLauncher.StartAsync();
        var ready = Assert.IsType<WorkerReady>(await folder.ServeAsync(worker, change: a => a with { Signature = Signature }));
        Assert.Contains("image/png", ready.Interface.Accepts);

        string[] words = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"];
        for (var digit = 0; digit < words.Length; digit++)
        {
            var (status, answer) = await PostAsync(worker, await File.ReadAllBytesAsync(Path.Combine(digits, "examples", words[digit] + ".png"), TestContext.Current.CancellationToken));
            Assert.Equal(HttpStatusCode.OK, status);
            Assert.Equal(digit, answer["labels"]![0]!["index"]!.GetValue<int>());
            Assert.Equal(3, answer["labels"]!.AsArray().Count);
        }

        var (refused, problem) = await PostAsync(worker, [1, 2, 3]);
        Assert.Equal((HttpStatusCode)422, refused);
        Assert.Equal("picture_invalid", problem["code"]!.GetValue<string>());
    }

    [Fact]
    public async Task Without_labels_the_answer_is_the_models_outputs_under_their_plain_names()
    {
        var digits = DigitsFolder();
        using var folder = new ModelFolder(await File.ReadAllBytesAsync(Path.Combine(digits, "model.onnx"), TestContext.Current.CancellationToken));
        await using var worker = await TestLauncher.StartAsync();
        const string Plain = """{"picture":{"input":"picture","channels":"grey","scale":-0.00392156862745098,"mean":[-1]},"names":{"picture":"image","digits":"scores"}}""";
        var ready = Assert.IsType<WorkerReady>(await folder.ServeAsync(worker, change: a => a with { Signature = Plain }));
        Assert.Equal("picture", ready.Interface.Inputs.Single().Name);

        var (status, answer) = await PostAsync(worker, await File.ReadAllBytesAsync(Path.Combine(digits, "examples", "four.png"), TestContext.Current.CancellationToken));

        Assert.Equal(HttpStatusCode.OK, status);
        var output = answer["outputs"]!.AsArray().Single()!;
        var scores = output["data"]!.AsArray().Select(n => n!.GetValue<double>()).ToArray();
        Assert.Equal(("digits", "[1,10]"), (output["name"]!.GetValue<string>(), output["shape"]!.ToJsonString()));
        Assert.Equal(4, Array.IndexOf(scores, scores.Max()));
    }

    private static async Task<(HttpStatusCode Status, JsonNode Answer)> PostAsync(TestLauncher worker, byte[] picture)
    {
        using var content = new ByteArrayContent(picture);
        var response = await worker.Client.PostAsync("", content, TestContext.Current.CancellationToken);
        return (response.StatusCode, JsonNode.Parse(await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken))!);
    }

    private static string DigitsFolder()
    {
        var folder = new DirectoryInfo(AppContext.BaseDirectory);
        while (!File.Exists(Path.Combine(folder.FullName, "Dormouse.slnx")))
        {
            folder = folder.Parent!;
        }

        return Path.Combine(folder.FullName, "models", "digits");
    }
}
