using System.Collections.Immutable;
using System.Text.Json;
using Dormouse.Core.Endpoints;
using Dormouse.Protocol.Inference;

namespace Dormouse.Server.Batches.Inputs;

/// <summary>What a model takes.</summary>
internal static class ModelInputs
{
    /// <summary>Null while the revision was not verified.</summary>
    public static ImmutableArray<TensorInfo>? Of(Revision revision) =>
        revision.Interface is { } text ? JsonSerializer.Deserialize(text, ModelInterfaceJson.Default.ModelInterface)?.Inputs : null;
}
