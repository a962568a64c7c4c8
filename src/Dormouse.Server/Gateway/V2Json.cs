using System.Collections.Immutable;
using System.Text.Json.Serialization;
using Dormouse.Protocol.Inference;

namespace Dormouse.Server.Gateway;

internal sealed record ServerMetadata(string Name, string Version, ImmutableArray<string> Extensions);

internal sealed record HealthLive(bool Live);

internal sealed record HealthReady(bool Ready);

internal sealed record ModelReady(string Name, bool Ready);

internal sealed record ModelList(ImmutableArray<string> Models);

internal sealed record ModelMetadata(
    string Name, ImmutableArray<string> Versions, string Platform, ImmutableArray<TensorInfo> Inputs, ImmutableArray<TensorInfo> Outputs)
{
    /// <summary>Of this product: how a function is called, which is not by tensors; null of a model.</summary>
    public FunctionInterface? Function { get; init; }
}

internal sealed record ModelIndex(string Name, string Version, string State, string Reason);

internal sealed record ModelLoaded(string Name, bool Load);

internal sealed record ModelUnloaded(string Name, bool Unload);

/// <summary>Triton's model configuration, as far as it has a meaning here.</summary>
internal sealed record ModelConfig(
    string Name, string Platform, string Backend, int MaxBatchSize, ImmutableArray<ModelConfigTensor> Input, ImmutableArray<ModelConfigTensor> Output,
    ImmutableArray<ModelInstanceGroup> InstanceGroup, string DefaultModelFilename)
{
    /// <summary>Null where invocations do not share runs.</summary>
    public ModelDynamicBatching? DynamicBatching { get; init; }
}

/// <param name="DataType">TYPE_ and the protocol's word; TYPE_STRING for BYTES.</param>
internal sealed record ModelConfigTensor(string Name, string DataType, ImmutableArray<long> Dims);

internal sealed record ModelInstanceGroup(string Kind, int Count);

internal sealed record ModelStatistics(ImmutableArray<ModelStats> ModelStats);

internal sealed record ModelStats(string Name, string Version, long LastInference, long InferenceCount, long ExecutionCount, InferenceStats InferenceStats)
{
    public ImmutableArray<BatchStats> BatchStats { get; init; } = [];
}

internal sealed record InferenceStats(
    StatDuration Success, StatDuration Fail, StatDuration Queue, StatDuration ComputeInput, StatDuration ComputeInfer, StatDuration ComputeOutput,
    StatDuration CacheHit, StatDuration CacheMiss);

internal sealed record StatDuration(long Count, long Ns);

/// <summary>Runs of one batch size. Input and output are not measured apart.</summary>
internal sealed record BatchStats(long BatchSize, StatDuration ComputeInput, StatDuration ComputeInfer, StatDuration ComputeOutput);

internal sealed record ModelDynamicBatching(long MaxQueueDelayMicroseconds);

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(ServerMetadata))]
[JsonSerializable(typeof(HealthLive))]
[JsonSerializable(typeof(HealthReady))]
[JsonSerializable(typeof(ModelReady))]
[JsonSerializable(typeof(ModelList))]
[JsonSerializable(typeof(ModelMetadata))]
[JsonSerializable(typeof(ImmutableArray<ModelIndex>))]
[JsonSerializable(typeof(ModelLoaded))]
[JsonSerializable(typeof(ModelUnloaded))]
[JsonSerializable(typeof(ModelConfig))]
[JsonSerializable(typeof(ModelStatistics))]
internal sealed partial class V2Json : JsonSerializerContext;
