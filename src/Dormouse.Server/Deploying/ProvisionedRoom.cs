using Dormouse.Core.Endpoints;
using Dormouse.Server.Routing;

namespace Dormouse.Server.Deploying;

/// <summary>Is there room for provisioned instances? Those of other endpoints are never taken back, so what they hold is gone for good.</summary>
/// <param name="memoryMib">Memory that all instances may have together, MiB.</param>
internal sealed class ProvisionedRoom(RoutingTable routing, int memoryMib)
{
    /// <summary>Why a revision's provisioned instances can never all be there; null when they can.</summary>
    /// <param name="name">Its endpoint: what that has provisioned now gives way to it.</param>
    public string? Refusal(TenantId tenant, string name, RevisionSpec spec)
    {
        if (spec.Provisioned == 0)
        {
            return null;
        }

        var taken = routing.Routes()
            .Where(r => !r.Endpoint.IsUnloaded && (r.Endpoint.Tenant != tenant || r.Endpoint.Name != name))
            .SelectMany(r => r.Revisions)
            .Sum(r => (long)r.Spec.Provisioned * r.Spec.MemoryMib);
        var fitting = Math.Max(0, (memoryMib - taken) / spec.MemoryMib);
        return spec.Provisioned <= fitting
            ? null
            : $"provisioned is {spec.Provisioned}; allowed are 0 to {fitting}: instances of {spec.MemoryMib} MiB each are to fit the machine's {memoryMib} MiB beside the {taken} MiB "
                + "that other endpoints have provisioned. Lower provisioned or memory, or raise machine.memory.";
    }
}
