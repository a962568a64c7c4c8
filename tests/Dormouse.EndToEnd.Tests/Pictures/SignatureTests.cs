using System.Text.Json.Nodes;
using Dormouse.EndToEnd.Tests.Running;

namespace Dormouse.EndToEnd.Tests.Pictures;

/// <summary>Pictures in, labels out.</summary>
public sealed class SignatureTests(ServerFixture fixture) : IClassFixture<ServerFixture>
{
    private const string Mnist =
        """
        picture:
          width: 28
          height: 28
          channels: grey
        labels:
          file: labels.txt
          top: 2
          softmax: true
        """;

    private const string Mobilenet =
        """
        picture:
          width: 224
          height: 224
          channels: rgb
          layout: nhwc
        labels:
          file: labels.txt
          top: 5
        """;

    private static readonly string[] Words = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"];

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    private RunningServer Server => fixture.Server;

    [Fact]
    public async Task The_bundled_examples_are_all_answered_right()
    {
        await DeployAsync("digits", Path.GetDirectoryName(Checkout.DigitsModel)!, await File.ReadAllTextAsync(Path.Combine(Path.GetDirectoryName(Checkout.DigitsModel)!, "signature.yaml"), Cancelled));
        for (var digit = 0; digit < Words.Length; digit++)
        {
            var labels = await InvokeAsync("digits", Checkout.DigitPicture(Words[digit]), "image/png");

            Assert.Equal($"{digit}", labels[0].Label);
            Assert.InRange(labels[0].Score, 0.5, 1);
            Assert.Equal(3, labels.Length);
        }
    }

    [Theory]
    [InlineData(0, "Zero")]
    [InlineData(3, "Three")]
    [InlineData(5, "Five")]
    [InlineData(7, "Seven")]
    public async Task Mnist_reads_a_picture(int digit, string label)
    {
        var picture = Checkout.Shared($"inputs/images/digit_{digit}.jpg");
        await DeployAsync("mnist", Path.GetDirectoryName(Checkout.Shared("onnx/mnist/model.onnx"))!, Mnist);

        var labels = await InvokeAsync("mnist", picture, "image/jpeg");

        Assert.Equal(label, labels[0].Label);
        Assert.Equal(2, labels.Length);
    }

    [Theory]
    [InlineData("cat_720p")]
    [InlineData("hot_dog")]
    [InlineData("parrot")]
    public async Task Mobilenet_names_what_is_in_a_picture(string name)
    {
        var picture = Checkout.Shared($"inputs/images/{name}.jpg");
        var folder = Path.GetDirectoryName(Checkout.Shared("onnx/mobilenet-v2-fp32/model.onnx"))!;
        var known = JsonNode.Parse(await File.ReadAllTextAsync(Path.Combine(folder, $"case_{name}.json"), Cancelled))!["outputs"]![0]!;
        var classes = await File.ReadAllLinesAsync(Path.Combine(folder, "labels.txt"), Cancelled);
        await DeployAsync("mobilenet", folder, Mobilenet);

        var labels = await InvokeAsync("mobilenet", picture, "image/jpeg");

        Assert.Equal(5, labels.Length);
        Assert.Equal(classes[known["argmax"]!.GetValue<int>()], labels[0].Label);
        // The decoder's last bit and the resampling differ a little from the tool that made the case.
        Assert.InRange(labels[0].Score, known["max"]!.GetValue<double>() - 0.05, known["max"]!.GetValue<double>() + 0.05);
        Assert.Equal(labels.OrderByDescending(l => l.Score), labels);
    }

    [Fact]
    public async Task The_tensor_form_still_works_beside_the_picture()
    {
        await DeployAsync("both", Path.GetDirectoryName(Checkout.DigitsModel)!, await File.ReadAllTextAsync(Path.Combine(Path.GetDirectoryName(Checkout.DigitsModel)!, "signature.yaml"), Cancelled));

        var answered = await Inference.InferCall.SendAsync(Server, "both", [Digits.Input(3)], binary: false, Cancelled);

        Assert.Equal([1, 10], answered["scores"].Shape);
    }

    [Theory]
    [InlineData("this is no picture", "image/png")]
    [InlineData("", "image/png")]
    public async Task What_is_no_picture_is_refused(string body, string mediaType)
    {
        await DeployAsync("refusing", Path.GetDirectoryName(Checkout.DigitsModel)!, await File.ReadAllTextAsync(Path.Combine(Path.GetDirectoryName(Checkout.DigitsModel)!, "signature.yaml"), Cancelled));
        using var content = new StringContent(body, System.Text.Encoding.UTF8, mediaType);

        using var response = await Server.Http.PostAsync(new Uri("/invoke/refusing", UriKind.Relative), content, Cancelled);

        Assert.Equal(422, (int)response.StatusCode);
        Assert.Equal("picture_invalid", JsonNode.Parse(await response.Content.ReadAsStringAsync(Cancelled))!["code"]!.GetValue<string>());
    }

    private async Task DeployAsync(string endpoint, string folder, string signature) => await Server.DeployAsync(
        endpoint,
        [
            ("model.onnx", await File.ReadAllBytesAsync(Path.Combine(folder, "model.onnx"), Cancelled)),
            ("labels.txt", await File.ReadAllBytesAsync(Path.Combine(folder, "labels.txt"), Cancelled)),
            ("signature.yaml", System.Text.Encoding.UTF8.GetBytes(signature)),
        ],
        Cancelled);

    private async Task<(string Label, double Score)[]> InvokeAsync(string endpoint, string picture, string mediaType)
    {
        using var content = new ByteArrayContent(await File.ReadAllBytesAsync(picture, Cancelled)) { Headers = { ContentType = new(mediaType) } };
        using var response = await Server.Http.PostAsync(new Uri("/invoke/" + endpoint, UriKind.Relative), content, Cancelled);
        var text = await response.Content.ReadAsStringAsync(Cancelled);
        Assert.True(response.IsSuccessStatusCode, text);
        return [.. JsonNode.Parse(text)!["labels"]!.AsArray().Select(l => (l!["label"]!.GetValue<string>(), l["score"]!.GetValue<double>()))];
    }
}
