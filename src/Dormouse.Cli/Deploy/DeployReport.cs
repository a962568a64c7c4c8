using Dormouse.Cli.Pipelines;
using Dormouse.Cli.Terminal;
using Dormouse.Protocol.Control;
using Dormouse.Protocol.Inference;

namespace Dormouse.Cli.Deploy;

/// <summary>What a deploy says when it is done.</summary>
internal static class DeployReport
{
    /// <summary><c>uploaded 31 KB · verified: image float32[n,1,28,28] → scores float32[n,10] · optimised, loads in 0.3 ms</c></summary>
    public static string Work(Deployed deployed)
    {
        var parts = new List<string>
        {
            deployed.SentBytes > 0
                ? "uploaded " + Units.Bytes(deployed.SentBytes) + (deployed.SentBytes < deployed.SizeBytes ? $" of {Units.Bytes(deployed.SizeBytes)}" : "")
                : $"{Units.Bytes(deployed.SizeBytes)} were already there",
        };
        var revision = deployed.Revision;
        if (PipelineText.Read(revision.Pipeline) is { } pipeline)
        {
            parts.Add($"{PipelineText.Count(pipeline)}: {string.Join(", ", pipeline.Steps.Select(s => s.Name))}");
            return string.Join(" · ", parts);
        }

        if (revision.Interface?.Function is not null)
        {
            parts.Add(revision.LoadMs is null ? "not imported yet" : $"imported in {Units.Milliseconds(revision.LoadMs.Value)} ms");
            return string.Join(" · ", parts);
        }

        if (revision.Interface is { } model)
        {
            parts.Add((revision.LoadMs is null ? "model: " : "verified: ") + Model(model));
        }
        else
        {
            parts.Add("not verified");
        }

        var loads = revision.LoadMs is { } ms ? $"loads in {Units.Milliseconds(ms)} ms" : null;
        if (revision.Optimised || loads is not null)
        {
            parts.Add(string.Join(", ", new[] { revision.Optimised ? "optimised" : null, loads }.OfType<string>()));
        }

        return string.Join(" · ", parts);
    }

    public static string Live(EndpointInfo endpoint, RevisionInfo revision)
    {
        if (revision.State == "verifying")
        {
            return $"{endpoint.Name} {revision.Name} is being verified and goes live at {endpoint.Url} ('dormouse describe {endpoint.Name}' shows when)";
        }

        if (Unloaded(endpoint) is { } unloaded)
        {
            return $"{endpoint.Name} {revision.Name} is ready; {unloaded}";
        }

        if (endpoint.Canary is { State: "running" } canary && canary.Revision == revision.Name)
        {
            return $"{endpoint.Name} {revision.Name} is a canary with {canary.Settings.Percent} % of the calls: after {canary.Settings.Min} of each side it is promoted or rolled back,"
                + $" at the latest in {canary.Settings.For} ('dormouse describe {endpoint.Name}' shows how it stands)";
        }

        if (endpoint.Handover is { State: "waiting" or "warming" } handover && handover.Traffic.ContainsKey(revision.Name))
        {
            return $"{endpoint.Name} {revision.Name} is ready and gets the traffic when it is warm ('dormouse describe {endpoint.Name}' shows how it stands)";
        }

        if (endpoint.Traffic.GetValueOrDefault(revision.Name) == 0)
        {
            return $"{endpoint.Name} {revision.Name} is ready and gets no traffic ('dormouse traffic {endpoint.Name} {revision.Name}=100' gives it all)";
        }

        var nothing = revision.Pipeline is null && revision.Settings is { MinInstances: null or 0, Provisioned: null or 0, Floors: null } && endpoint.Instances.IsEmpty;
        return $"{endpoint.Name} {revision.Name} is live at {endpoint.Url}{(nothing ? " (nothing runs until it is called)" : "")}";
    }

    /// <summary>Why nobody can call the endpoint and what mends it; null when it is not unloaded.</summary>
    public static string? Unloaded(EndpointInfo endpoint) =>
        endpoint.Status == "unloaded" ? $"{endpoint.Name} is unloaded and refuses calls ('dormouse load {endpoint.Name}' makes it serve again)" : null;

    public static string Model(ModelInterface model) => Tensors(model.Inputs) + " → " + Tensors(model.Outputs);

    private static string Tensors(IReadOnlyCollection<TensorInfo> tensors)
    {
        const int Shown = 3;
        var text = tensors.Count == 0 ? "nothing" : string.Join(", ", tensors.Take(Shown).Select(Units.Tensor));
        return tensors.Count > Shown ? $"{text} and {tensors.Count - Shown} more" : text;
    }
}
