using Dormouse.Core.Endpoints;
using Dormouse.Core.Pipelines;
using Dormouse.Server.Routing;

namespace Dormouse.Server.Pipelines;

/// <summary>Can the endpoints of a pipeline be called from it? Each must be there, and none may lead back to it.</summary>
internal sealed class PipelineCheck(RoutingTable routes)
{
    /// <param name="name">The pipeline's own.</param>
    /// <returns>Null when they can.</returns>
    public string? Refusal(TenantId tenant, string name, PipelineDefinition definition)
    {
        foreach (var step in definition.Steps.Where(s => s.Endpoint != name && routes.Find(tenant, s.Endpoint) is null))
        {
            return $"pipeline.steps.{step.Name}.endpoint is '{step.Endpoint}', which there is not. Deploy it first; 'dormouse list' shows what there is.";
        }

        return Way(tenant, name, definition, [name]) is { } way
            ? $"pipeline calls itself: {string.Join(" → ", way)}. A pipeline may call others, as long as none of them leads back to it."
            : null;
    }

    /// <summary>The first way back to <paramref name="goal"/>; null when there is none.</summary>
    private List<string>? Way(TenantId tenant, string goal, PipelineDefinition definition, List<string> walked)
    {
        foreach (var endpoint in definition.Endpoints)
        {
            if (endpoint == goal)
            {
                return [.. walked, endpoint];
            }

            // A circle that does not lead to the goal is none of its business, and is walked once.
            foreach (var inner in walked.Contains(endpoint) ? [] : routes.Find(tenant, endpoint)?.Revisions.Select(r => r.Spec.Pipeline).OfType<PipelineDefinition>() ?? [])
            {
                if (Way(tenant, goal, inner, [.. walked, endpoint]) is { } way)
                {
                    return way;
                }
            }
        }

        return null;
    }
}
