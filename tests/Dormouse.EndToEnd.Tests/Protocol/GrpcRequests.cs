using Dormouse.EndToEnd.Tests.Inference;
using Dormouse.Protocol.Inference.Wire;
using Google.Protobuf;

namespace Dormouse.EndToEnd.Tests.Protocol;

/// <summary>Inference messages for the echo model, in both forms.</summary>
internal static class GrpcRequests
{
    public static ModelInferRequest Typed(string model, float[] numbers, long[] shape, string[] texts) => new()
    {
        ModelName = model,
        Inputs =
        {
            new ModelInferRequest.Types.InferInputTensor { Name = "x", Datatype = "FP32", Shape = { shape }, Contents = new InferTensorContents { Fp32Contents = { numbers } } },
            new ModelInferRequest.Types.InferInputTensor
            {
                Name = "t", Datatype = "BYTES", Shape = { texts.Length }, Contents = new InferTensorContents { BytesContents = { texts.Select(ByteString.CopyFromUtf8) } },
            },
        },
    };

    public static ModelInferRequest Raw(string model, params Tensor[] inputs) => new()
    {
        ModelName = model,
        Inputs = { inputs.Select(i => new ModelInferRequest.Types.InferInputTensor { Name = i.Name, Datatype = i.Datatype, Shape = { i.Shape } }) },
        RawInputContents = { inputs.Select(i => ByteString.CopyFrom(i.Wire)) },
    };
}
