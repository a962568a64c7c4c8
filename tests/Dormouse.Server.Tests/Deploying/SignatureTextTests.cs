using Dormouse.Core.Packages;
using Dormouse.Protocol.Signatures;
using Dormouse.Server.Deploying;

namespace Dormouse.Server.Tests.Deploying;

public sealed class SignatureTextTests
{
    [Fact]
    public void Yaml_becomes_canonical_json()
    {
        var json = SignatureText.ToJson(
            """
            # digits
            picture: {width: 8, height: 8, channels: grey, scale: -0.5, mean: [-1]}
            labels:
              names: [no, "1", yes]
              softmax: true
            names:
              picture: Input3
            """,
            Package("model.onnx"),
            out var errors);

        Assert.Empty(errors);
        var signature = SignatureRules.Parse(json!, out _)!;
        Assert.Equal((8, PictureChannels.Grey, -0.5), (signature.Picture!.Width, signature.Picture.Channels, signature.Picture.Scale));
        Assert.Equal(["no", "1", "yes"], signature.Labels!.Names);
        Assert.Equal("Input3", signature.Names["picture"]);
    }

    [Theory]
    [InlineData("picture: {widht: 8}", "widht")]
    [InlineData("picture: [", "line")]
    [InlineData("", "documents")]
    [InlineData("just text", "cannot be read")]
    [InlineData("a: &x [*x]", "aliases")]
    [InlineData("[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]", "nested")]
    public void What_is_no_signature_is_refused_with_a_reason(string text, string reason)
    {
        Assert.Null(SignatureText.ToJson(text, Package("model.onnx"), out var errors));
        Assert.Contains(errors, e => e.Contains(reason, StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("labels: {file: animals.txt}", "model.onnx", "labels.file is 'animals.txt', but the package has no such file")]
    [InlineData("labels: {file: ../../etc/passwd}", "passwd", "labels.file is '../../etc/passwd'")]
    [InlineData("labels: {file: animals.txt}", "animals.txt", null)]
    [InlineData("labels: {file: animals.txt, names: [cat]}", "model.onnx", null)]
    [InlineData("labels: {top: 3}", "model.onnx", null)]
    public void A_labels_file_that_is_named_has_to_be_in_the_package(string text, string file, string? reason)
    {
        var json = SignatureText.ToJson(text, Package(file), out var errors);

        Assert.Equal(reason is null, json is not null);
        Assert.All(errors, e => Assert.Contains(reason!, e, StringComparison.Ordinal));
    }

    private static Package Package(string file) => new([new PackageFile(file, new BlobHash(new string('a', 64)), 1)]);
}
