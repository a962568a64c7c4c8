using System.Collections.Frozen;

namespace Dormouse.Server.Control;

/// <summary>
/// What the OpenAPI document says of the data plane. Its routes answer every method themselves (a wrong one in the protocol's own form), so the method is not in their metadata.
/// Bodies follow the Open Inference Protocol and are not repeated here.
/// </summary>
internal static class DataPlaneDescriptions
{
    public static readonly FrozenDictionary<string, (string Method, string Summary)> All = new Dictionary<string, (string, string)>
    {
        ["/v2"] = ("GET", "Server metadata and protocol extensions"),
        ["/v2/health/live"] = ("GET", "The server answers; no key needed"),
        ["/v2/health/ready"] = ("GET", "The server takes invocations; no key needed"),
        ["/v2/models"] = ("GET", "Names of the models"),
        ["/v2/models/stats"] = ("GET", "Statistics of all models (Triton extension)"),
        ["/v2/models/{model}"] = ("GET", "Inputs, outputs and versions of a model; never starts an instance"),
        ["/v2/models/{model}/ready"] = ("GET", "Whether a model can be called"),
        ["/v2/models/{model}/config"] = ("GET", "Configuration of a model (Triton extension)"),
        ["/v2/models/{model}/stats"] = ("GET", "Statistics of a model (Triton extension)"),
        ["/v2/models/{model}/infer"] = ("POST", "Inference, JSON or binary tensors (Open Inference Protocol v2)"),
        ["/v2/models/{model}/generate"] = ("POST", "Not supported: 501"),
        ["/v2/models/{model}/generate_stream"] = ("POST", "Not supported: 501"),
        ["/v2/repository/index"] = ("POST", "Models and their states (Triton extension)"),
        ["/v2/repository/models/{model}/load"] = ("POST", "Serve a model again; needs the scope admin"),
        ["/v2/repository/models/{model}/unload"] = ("POST", "Refuse calls of a model until it is loaded; needs the scope admin"),
        ["/invoke/{endpoint}/{**path}"] = ("POST", "Any method and body, straight to an instance; a picture for a model with a signature"),
        ["/events/{trigger}"] = ("POST", "CloudEvents in (binary, structured or batched) for a trigger of the kind http; 202 when they are queued"),
    }.ToFrozenDictionary(StringComparer.Ordinal);

    /// <summary>The description of a route; the one of a version's route is its model's.</summary>
    public static (string Method, string Summary)? Of(string pattern) =>
        All.TryGetValue(pattern.Replace("/versions/{version}", "", StringComparison.Ordinal), out var description) ? description : null;
}
