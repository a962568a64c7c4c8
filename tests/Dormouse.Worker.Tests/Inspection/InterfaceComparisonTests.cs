using Dormouse.Protocol.Inference;
using Dormouse.Worker.Inspection;

namespace Dormouse.Worker.Tests.Inspection;

public sealed class InterfaceComparisonTests
{
    private static readonly ModelInterface Model = Of(new TensorInfo("y", "FP32", [-1, 2]));

    [Fact]
    public void The_same_interface_shows_no_difference() => Assert.Null(InterfaceComparison.Difference(Model, Of(new TensorInfo("y", "FP32", [-1, 2]))));

    [Theory]
    [InlineData("z", "FP32", 2, "output 'z' FP32[-1,2] instead of 'y' FP32[-1,2].")]
    [InlineData("y", "FP64", 2, "output 'y' FP64[-1,2] instead of 'y' FP32[-1,2].")]
    [InlineData("y", "FP32", 3, "output 'y' FP32[-1,3] instead of 'y' FP32[-1,2].")]
    public void A_difference_is_named(string name, string datatype, long columns, string expected) =>
        Assert.Equal(expected, InterfaceComparison.Difference(Model, Of(new TensorInfo(name, datatype, [-1, columns]))));

    [Fact]
    public void A_tensor_too_many_or_too_few_is_a_difference()
    {
        var none = Of();

        Assert.Equal("0 outputs instead of 1.", InterfaceComparison.Difference(Model, none));
        Assert.Equal("1 outputs instead of 0.", InterfaceComparison.Difference(none, Model));
        Assert.Equal("0 inputs instead of 1.", InterfaceComparison.Difference(Model, Model with { Inputs = [] }));
    }

    private static ModelInterface Of(params TensorInfo[] outputs) => new() { Platform = "p", Inputs = [new TensorInfo("x", "FP32", [-1, 4])], Outputs = [.. outputs] };
}
