using System.Text;
using Dormouse.Protocol.Inference;
using Dormouse.Protocol.Problems;

namespace Dormouse.Protocol.Tests.Inference;

/// <summary>Shorthand for models and requests.</summary>
internal static class Requests
{
    public static TensorInfo Tensor(string name, string datatype, params long[] shape) => new(name, datatype, [.. shape]);

    public static ModelInterface Model(params TensorInfo[] inputs) => Model(inputs, [Tensor("y", "FP32", -1), Tensor("z", "INT64", -1)]);

    public static ModelInterface Model(TensorInfo[] inputs, TensorInfo[] outputs) =>
        new() { Platform = "onnxruntime_onnx", Inputs = [.. inputs], Outputs = [.. outputs] };

    public static InferRequest Json(string json, ModelInterface model) => InferRequestReader.Read(Encoding.UTF8.GetBytes(json), null, model, "m");

    public static InferRequest JsonAndBinary(string json, ReadOnlySpan<byte> binary, ModelInterface model)
    {
        byte[] text = Encoding.UTF8.GetBytes(json);
        return InferRequestReader.Read((byte[])[.. text, .. binary], text.Length, model, "m");
    }

    public static InferRequest Raw(ReadOnlySpan<byte> body, ModelInterface model) => InferRequestReader.Read(body.ToArray(), 0, model, "m");

    /// <summary>A request whose one input 'x' has that data.</summary>
    public static string One(string datatype, string shape, string data) =>
        $$"""{"inputs":[{"name":"x","datatype":"{{datatype}}","shape":{{shape}},"data":{{data}}}]}""";

    /// <summary>A request whose one input 'x' has a binary part.</summary>
    public static string OneBinary(string datatype, string shape, string size) =>
        $$$"""{"inputs":[{"name":"x","datatype":"{{{datatype}}}","shape":{{{shape}}},"parameters":{"binary_data_size":{{{size}}}}}]}""";

    /// <summary>Reads and expects a refusal.</summary>
    public static InferenceException Refused(Func<InferRequest> read, ProblemCode? code = null)
    {
        var refusal = Assert.Throws<InferenceException>(() => read().Dispose());
        if (code is not null) Assert.Equal(code, refusal.Code);
        else Assert.Contains(refusal.Code, (ProblemCode[])[ProblemCode.InputInvalid, ProblemCode.RequestInvalid]);
        Assert.NotEmpty(refusal.Message);
        Assert.True(refusal.Message.Length < 1000, "A message is short whatever the request holds.");
        return refusal;
    }
}
