using Dormouse.Core.Endpoints;
using Dormouse.Protocol.Problems;

namespace Dormouse.Server.Gateway;

/// <summary>The inference routes are for models: a function would take tensors for something else, so they are refused before an instance is started.</summary>
internal static class TensorAddress
{
    /// <summary>Null when the revision takes what is sent to it this way.</summary>
    public static Problem? Refusal(Endpoint endpoint, Revision revision, InstanceTarget target) => revision.Spec.Kind.TakesTensors || !target.IsInference
        ? null
        : !revision.Spec.Kind.HasInstances
        ? new Problem(ProblemCode.NotSupported, $"'{endpoint.Name}' is a pipeline and takes no tensors here. Send its input to /invoke/{endpoint.Name}; what its steps get is written in its definition.")
        : new Problem(
            ProblemCode.NotSupported,
            $"'{endpoint.Name}' is a {revision.Spec.Runtime} function and takes no tensors. Send its own input to /invoke/{endpoint.Name}; 'dormouse describe {endpoint.Name}' shows what that is.");
}
