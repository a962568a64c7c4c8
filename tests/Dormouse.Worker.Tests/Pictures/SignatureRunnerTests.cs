using System.Buffers.Binary;
using Dormouse.Protocol.Inference;
using Dormouse.Protocol.Problems;
using Dormouse.Protocol.Signatures;
using Dormouse.Worker.Pictures;
using Dormouse.Worker.Running;
using SkiaSharp;

namespace Dormouse.Worker.Tests.Pictures;

public sealed class SignatureRunnerTests
{
    [Fact]
    public void A_grey_picture_becomes_the_only_input_scaled_and_shifted()
    {
        var model = Model([-1, 1, 2, 2], "FP32", [-1, 10]);
        var runner = Bind(new Signature { Picture = new PictureInput { Channels = PictureChannels.Grey, Scale = -1 / 255.0, Mean = [-1] } }, model);

        using var request = runner.ToRequest(Picture(2, 2, (0, 0, 0), (255, 255, 255), (51, 51, 51), (204, 204, 204)), Decoding.Plenty);

        var tensor = Assert.Single(request.Inputs);
        Assert.Equal([1, 1, 2, 2], tensor.Shape);
        Assert.Equal([1f, 0f, 0.8f, 0.2f], Floats(tensor.Data.Span), (a, b) => Math.Abs(a - b) < 1e-6);
    }

    [Fact]
    public void Channels_and_layout_decide_the_order_of_elements()
    {
        var picture = Picture(2, 1, (1, 2, 3), (4, 5, 6));

        Assert.Equal([1, 2, 3, 4, 5, 6], Bytes(picture, PictureChannels.Rgb, TensorLayout.Nhwc, [1, 1, 2, 3]));
        Assert.Equal([3, 2, 1, 6, 5, 4], Bytes(picture, PictureChannels.Bgr, TensorLayout.Nhwc, [1, 1, 2, 3]));
        Assert.Equal([1, 4, 2, 5, 3, 6], Bytes(picture, PictureChannels.Rgb, TensorLayout.Nchw, [1, 3, 1, 2]));
        Assert.Equal([3, 6, 2, 5, 1, 4], Bytes(picture, PictureChannels.Bgr, TensorLayout.Nchw, [1, 3, 1, 2]));
    }

    [Fact]
    public void Mean_and_deviation_may_differ_by_channel()
    {
        var model = Model([1, 3, 1, 1], "FP32", [1, 2]);
        var runner = Bind(new Signature { Picture = new PictureInput { Mean = [1, 2, 3], Deviation = [2, 4, 8] } }, model);

        using var request = runner.ToRequest(Picture(1, 1, (11, 22, 43)), Decoding.Plenty);

        Assert.Equal([5f, 5f, 5f], Floats(request.Inputs[0].Data.Span));
    }

    [Theory]
    [InlineData("FP64", 0.25, 10, -10, 40.5)]
    [InlineData("FP32", 0.25, 10, -10, 40.5)]
    [InlineData("FP16", 0.25, 10, -10, 40.5)]
    [InlineData("BF16", 0.25, 10, -10, 40.5)]
    [InlineData("INT64", 0.25, 10, -10, 40)]
    [InlineData("INT32", 0.25, 10, -10, 40)]
    [InlineData("INT16", 0.25, 10, -10, 40)]
    [InlineData("INT8", 0.25, 10, -10, 40)]
    [InlineData("INT8", 4, 0, 0, 127)]
    [InlineData("INT8", -4, 0, 0, -128)]
    [InlineData("UINT8", 0.25, 10, 0, 40)]
    [InlineData("UINT8", 4, 0, 0, 255)]
    [InlineData("UINT16", 4, 10, 0, 798)]
    [InlineData("UINT32", 4, 10, 0, 798)]
    [InlineData("UINT64", 4, 10, 0, 798)]
    public void A_value_takes_the_models_type_rounded_to_even_and_no_further_than_it_goes(string datatype, double scale, double mean, double black, double grey202)
    {
        var runner = Bind(new Signature { Picture = new PictureInput { Channels = PictureChannels.Grey, Scale = scale, Mean = [mean] } }, Model([1, 1, 1, 2], datatype, [1, 2]));

        using var request = runner.ToRequest(Picture(2, 1, (0, 0, 0), (202, 202, 202)), Decoding.Plenty);

        var tensor = request.Inputs[0];
        Assert.Equal(datatype, tensor.Datatype.Name());
        var numbers = TensorNumbers.Of(new OutputTensor { Name = "in", Datatype = tensor.Datatype, Shape = [2], Data = tensor.Data });
        Assert.Equal([black, grey202], numbers!); // Not null: it holds numbers.
    }

    [Fact]
    public void Labels_come_best_first_and_softmax_makes_probabilities()
    {
        var model = Model([-1, 1, 2, 2], "FP32", [-1, 3]);
        var signature = new Signature { Labels = new LabelsOutput { Top = 2, Softmax = true } };
        var runner = SignatureRunner.Bind(signature, model, file => file == "labels.txt" ? ["cat", "dog"] : null);

        var answer = runner.ToLabels(Scores([0f, 1f, 2f]));

        Assert.Equal(["2", "dog"], answer.Labels.Select(l => l.Label));
        Assert.Equal(0.665, answer.Labels[0].Score, 3);
        Assert.Equal(0.245, answer.Labels[1].Score, 3);
    }

    [Fact]
    public void Huge_scores_and_not_a_number_do_not_break_the_answer()
    {
        var runner = SignatureRunner.Bind(new Signature { Labels = new LabelsOutput { Softmax = true } }, Model([1], "FP32", [1, 3]), _ => null);

        var answer = runner.ToLabels(Scores([float.MaxValue, float.NaN, 1f]));

        Assert.Equal([0, 2, 1], answer.Labels.Select(l => l.Index));
        Assert.All(answer.Labels, l => Assert.True(double.IsFinite(l.Score)));
    }

    [Fact]
    public void Plain_names_take_the_place_of_the_models_own()
    {
        var model = Model([1], "FP32", [1, 3]);

        var renamed = SignatureRunner.Rename(model, new Dictionary<string, string> { ["picture"] = "in", ["classes"] = "out" }.ToSorted());

        Assert.Equal("picture", renamed.Inputs[0].Name);
        Assert.Equal("classes", renamed.Outputs[0].Name);
        Assert.Throws<SignatureException>(() => SignatureRunner.Rename(model, new Dictionary<string, string> { ["a"] = "nothing" }.ToSorted()));
        Assert.Throws<SignatureException>(() => SignatureRunner.Rename(model, new Dictionary<string, string> { ["out"] = "in" }.ToSorted()));
    }

    [Theory]
    [InlineData("FP32", new long[] { 1, 3, 4 }, "four dimensions")]
    [InlineData("BYTES", new long[] { 1, 3, 4, 4 }, "BYTES")]
    [InlineData("FP32", new long[] { 8, 3, 4, 4 }, "batches of 8")]
    [InlineData("FP32", new long[] { 1, 4, 4, 3 }, "picture.layout")]
    [InlineData("FP32", new long[] { 1, 3, -1, -1 }, "picture.height is needed")]
    public void A_signature_that_does_not_fit_the_model_is_refused_at_load(string datatype, long[] shape, string reason)
    {
        var refused = Assert.Throws<SignatureException>(() => Bind(new Signature { Picture = new PictureInput() }, Model(shape, datatype, [1, 3])));

        Assert.Contains(reason, refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_bad_picture_is_a_problem_of_the_caller()
    {
        var runner = Bind(new Signature { Picture = new PictureInput() }, Model([1, 3, 4, 4], "FP32", [1, 3]));

        var refused = Assert.Throws<InferenceException>(() => runner.ToRequest("garbage"u8, Decoding.Plenty));

        Assert.Same(ProblemCode.PictureInvalid, refused.Code);
    }

    [Theory]
    [InlineData("""{"picture":{"wdth":3}}""", "wdth")]
    [InlineData("""{"picture":{"fit":"squash"}}""", "fit")]
    [InlineData("""{"picture":{"width":0}}""", "picture.width is 0")]
    [InlineData("""{"picture":{"mean":[1,2]}}""", "picture.mean has 2 values")]
    [InlineData("""{"picture":{"deviation":[0]}}""", "picture.deviation")]
    [InlineData("""{"labels":{"top":0}}""", "labels.top is 0")]
    [InlineData("""{"names":{"a":"x","b":"x"}}""", "two plain names")]
    [InlineData("""[]""", "cannot be read")]
    public void A_bad_signature_is_refused_by_name(string json, string reason)
    {
        var signature = SignatureRules.Parse(json, out var errors);

        Assert.Null(signature);
        Assert.Contains(errors, e => e.Contains(reason, StringComparison.Ordinal));
    }

    private static SignatureRunner Bind(Signature signature, ModelInterface model) => SignatureRunner.Bind(signature, model, _ => null);

    private static ModelInterface Model(long[] input, string datatype, long[] output) => new()
    {
        Platform = "onnxruntime_onnx",
        Inputs = [new TensorInfo("in", datatype, [.. input])],
        Outputs = [new TensorInfo("out", "FP32", [.. output])],
    };

    private static byte[] Bytes(byte[] picture, PictureChannels channels, TensorLayout layout, long[] shape)
    {
        var runner = Bind(new Signature { Picture = new PictureInput { Channels = channels, Layout = layout } }, Model(shape, "UINT8", [1, 2]));
        using var request = runner.ToRequest(picture, Decoding.Plenty);
        return request.Inputs[0].Data.ToArray();
    }

    private static byte[] Picture(int width, int height, params (byte R, byte G, byte B)[] pixels)
    {
        using var bitmap = new SKBitmap(new SKImageInfo(width, height, SKColorType.Rgba8888, SKAlphaType.Opaque));
        for (var i = 0; i < pixels.Length; i++)
        {
            bitmap.SetPixel(i % width, i / width, new SKColor(pixels[i].R, pixels[i].G, pixels[i].B));
        }

        using var data = bitmap.Encode(SKEncodedImageFormat.Png, 100);
        return data.ToArray();
    }

    private static OutputTensor Scores(float[] values)
    {
        var data = new byte[values.Length * 4];
        for (var i = 0; i < values.Length; i++)
        {
            BinaryPrimitives.WriteSingleLittleEndian(data.AsSpan(i * 4), values[i]);
        }

        return new OutputTensor { Name = "out", Datatype = Datatype.Fp32, Shape = [1, values.Length], Data = data };
    }

    private static float[] Floats(ReadOnlySpan<byte> data)
    {
        var values = new float[data.Length / 4];
        for (var i = 0; i < values.Length; i++)
        {
            values[i] = BinaryPrimitives.ReadSingleLittleEndian(data[(i * 4)..]);
        }

        return values;
    }
}
