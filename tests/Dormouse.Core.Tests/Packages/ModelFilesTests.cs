using Dormouse.Core.Packages;

namespace Dormouse.Core.Tests.Packages;

public sealed class ModelFilesTests
{
    [Theory]
    [InlineData("digits.onnx", "digits.onnx")]
    [InlineData("digits.onnx labels.txt signature.yaml", "digits.onnx")]
    [InlineData("a.onnx model.onnx", "model.onnx")]
    [InlineData("model.ONNX weights.bin", "model.ONNX")]
    [InlineData("a.onnx below/b.onnx", "a.onnx")]
    [InlineData("a.onnx b.ONNX", null)]
    [InlineData("a.onnx b.onnx", null)]
    [InlineData("below/model.onnx", null)]
    [InlineData("readme.md", null)]
    public void The_model_is_the_only_onnx_file_of_the_root_or_model_onnx(string paths, string? model) =>
        Assert.Equal(model, ModelFiles.Find(PackageOf(paths))?.Model.Path);

    [Theory]
    [InlineData("a.onnx labels.txt", "labels.txt")]
    [InlineData("a.onnx below/labels.txt", null)]
    public void Labels_are_the_labels_file_of_the_root(string paths, string? labels) =>
        Assert.Equal(labels, ModelFiles.Find(PackageOf(paths))?.Labels);

    private static Package PackageOf(string paths) =>
        new([.. paths.Split(' ').Select(path => new PackageFile(path, new(new string('0', 64)), 1))]);
}
