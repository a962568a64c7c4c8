using System.Collections.Frozen;
using System.Collections.Immutable;
using Dormouse.Protocol.Inference;
using Microsoft.ML.OnnxRuntime;
using Microsoft.ML.OnnxRuntime.Tensors;

namespace Dormouse.Worker.Engine;

/// <summary>A session's inputs and outputs in the protocol's words.</summary>
internal static class ModelDescription
{
    internal const string Platform = "onnxruntime_onnx";
    private const string KeysSuffix = "_keys";

    /// <summary>Interface and output plans; throws <see cref="ModelRefusedException"/> for what the protocol cannot carry.</summary>
    internal static (ModelInterface Interface, ImmutableArray<OutputPlan> Outputs) Of(InferenceSession session, FrozenSet<string> defaultedInputs)
    {
        var inputs = ImmutableArray.CreateBuilder<TensorInfo>();
        foreach (var name in session.InputNames)
        {
            if (defaultedInputs.Contains(name))
            {
                continue;
            }

            var metadata = session.InputMetadata[name];
            var datatype = metadata.OnnxValueType == OnnxValueType.ONNX_TYPE_TENSOR ? DatatypeOf(metadata.ElementDataType) : null;
            inputs.Add(datatype is { } known
                ? new TensorInfo(name, known.Name(), Shape(metadata))
                : throw new ModelRefusedException($"Input '{name}' is {Words(metadata)}; inputs must be tensors of {Datatypes.Listing}."));
        }

        var outputs = ImmutableArray.CreateBuilder<TensorInfo>();
        var plans = ImmutableArray.CreateBuilder<OutputPlan>();
        var names = session.OutputNames.ToHashSet(StringComparer.Ordinal);
        foreach (var name in session.OutputNames)
        {
            var plan = Plan(name, session.OutputMetadata[name], names);
            plans.Add(plan);
            switch (plan)
            {
                case OutputPlan.Tensor tensor:
                    outputs.Add(new TensorInfo(name, tensor.Datatype.Name(), Shape(session.OutputMetadata[name])));
                    break;
                case OutputPlan.Maps maps:
                    outputs.Add(new TensorInfo(name, maps.Values.Name(), [-1, -1]));
                    outputs.Add(new TensorInfo(maps.KeysName, maps.Keys.Name(), [-1]));
                    break;
            }
        }

        return (new ModelInterface { Platform = Platform, Inputs = inputs.ToImmutable(), Outputs = outputs.ToImmutable() }, plans.ToImmutable());
    }

    /// <summary>The protocol's datatype, or null when it has none.</summary>
    internal static Datatype? DatatypeOf(TensorElementType type) => type switch
    {
        TensorElementType.Bool => Datatype.Bool,
        TensorElementType.UInt8 => Datatype.Uint8,
        TensorElementType.UInt16 => Datatype.Uint16,
        TensorElementType.UInt32 => Datatype.Uint32,
        TensorElementType.UInt64 => Datatype.Uint64,
        TensorElementType.Int8 => Datatype.Int8,
        TensorElementType.Int16 => Datatype.Int16,
        TensorElementType.Int32 => Datatype.Int32,
        TensorElementType.Int64 => Datatype.Int64,
        TensorElementType.Float16 => Datatype.Fp16,
        TensorElementType.BFloat16 => Datatype.Bf16,
        TensorElementType.Float => Datatype.Fp32,
        TensorElementType.Double => Datatype.Fp64,
        TensorElementType.String => Datatype.Bytes,
        _ => null,
    };

    /// <summary>The engine's element type.</summary>
    internal static TensorElementType ElementTypeOf(Datatype datatype) => datatype switch
    {
        Datatype.Bool => TensorElementType.Bool,
        Datatype.Uint8 => TensorElementType.UInt8,
        Datatype.Uint16 => TensorElementType.UInt16,
        Datatype.Uint32 => TensorElementType.UInt32,
        Datatype.Uint64 => TensorElementType.UInt64,
        Datatype.Int8 => TensorElementType.Int8,
        Datatype.Int16 => TensorElementType.Int16,
        Datatype.Int32 => TensorElementType.Int32,
        Datatype.Int64 => TensorElementType.Int64,
        Datatype.Fp16 => TensorElementType.Float16,
        Datatype.Bf16 => TensorElementType.BFloat16,
        Datatype.Fp32 => TensorElementType.Float,
        Datatype.Fp64 => TensorElementType.Double,
        Datatype.Bytes => TensorElementType.String,
        _ => throw new ArgumentOutOfRangeException(nameof(datatype), datatype, "No such datatype."),
    };

    private static OutputPlan Plan(string name, NodeMetadata metadata, HashSet<string> names)
    {
        switch (metadata.OnnxValueType)
        {
            case OnnxValueType.ONNX_TYPE_TENSOR when DatatypeOf(metadata.ElementDataType) is { } datatype:
                return new OutputPlan.Tensor(name, datatype);
            case OnnxValueType.ONNX_TYPE_SEQUENCE when metadata.AsSequenceMetadata().ElementMeta is { OnnxValueType: OnnxValueType.ONNX_TYPE_MAP } element:
                var map = element.AsMapMetadata();
                var keys = DatatypeOf(map.KeyDataType);
                var values = map.ValueMetadata.OnnxValueType == OnnxValueType.ONNX_TYPE_TENSOR ? DatatypeOf(map.ValueMetadata.ElementDataType) : null;
                if (keys is Datatype.Int64 or Datatype.Bytes && values is Datatype.Fp32 or Datatype.Fp64 or Datatype.Int64)
                {
                    var keysName = name + KeysSuffix;
                    while (!names.Add(keysName))
                    {
                        keysName += "_";
                    }

                    return new OutputPlan.Maps(name, keysName, keys.Value, values.Value);
                }

                break;
        }

        throw new ModelRefusedException($"Output '{name}' is {Words(metadata)}; outputs must be tensors, or sequences of maps from INT64 or text to numbers.");
    }

    private static ImmutableArray<long> Shape(NodeMetadata metadata) => [.. metadata.Dimensions.Select(d => d < 0 ? -1L : d)];

    private static string Words(NodeMetadata metadata) => metadata.OnnxValueType switch
    {
        OnnxValueType.ONNX_TYPE_TENSOR => $"a tensor of {metadata.ElementDataType}",
        OnnxValueType.ONNX_TYPE_SEQUENCE => "a sequence",
        OnnxValueType.ONNX_TYPE_MAP => "a map",
        OnnxValueType.ONNX_TYPE_OPTIONAL => "an optional value",
        OnnxValueType.ONNX_TYPE_SPARSETENSOR => "a sparse tensor",
        _ => "of an unknown kind",
    };
}
