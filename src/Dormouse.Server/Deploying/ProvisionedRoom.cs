using Dormouse.Core.Endpoints;
using Dormouse.Server.Routing;

namespace Dormouse.Server.Deploying;

/// <summary>
/// Is there room for provisioned instances? Those of other endpoints are never taken back, so what they hold is gone for good. Asked wherever a revision is given traffic: at a
/// deploy, with its traffic, at a rollback and when an endpoint is loaded.
/// </summary>
/// <param name="memoryMib">Memory that all instances may have together, MiB.</param>
internal sealed class ProvisionedRoom(RoutingTable routing, int memoryMib)
{
    /// <summary>Why a new revision's provisioned instances can never all be there; null when they can.</summary>
    /// <param name="name">Its endpoint: what that has provisioned now gives way to it.</param>
    /// <param name="isBesideOthers">As a canary it runs beside the revisions that carry the traffic, which give way to nothing.</param>
    public string? Refusal(TenantId tenant, string name, RevisionSpec spec, bool isBesideOthers = false)
    {
        if (spec.Provisioned == 0)
        {
            return null;
        }

        var taken = Taken(r => isBesideOthers || r.Endpoint.Tenant != tenant || r.Endpoint.Name != name);
        var fitting = Math.Max(0, (memoryMib - taken) / spec.MemoryMib);
        return spec.Provisioned <= fitting
            ? null
            : $"provisioned is {spec.Provisioned}; allowed are 0 to {fitting}: instances of {spec.MemoryMib} MiB each are to fit the machine's {memoryMib} MiB beside the {taken} MiB "
                + $"that other {(isBesideOthers ? "revisions and endpoints" : "endpoints")} have provisioned. Lower provisioned or memory, or raise machine.memory.";
    }

    /// <summary>Why an endpoint's revisions cannot carry its traffic together; null when they can, and when they have no more provisioned than those that carry it now.</summary>
    /// <param name="carrying">All that will carry traffic.</param>
    /// <param name="isLoading">The endpoint is unloaded and holds nothing now.</param>
    public string? Refusal(Endpoint endpoint, IReadOnlyCollection<Revision> carrying, bool isLoading = false)
    {
        var wanted = carrying.Sum(Provisioned);
        // An unloaded endpoint keeps no instances, whatever carries its traffic.
        if (wanted == 0 || (endpoint.IsUnloaded && !isLoading))
        {
            return null;
        }

        var taken = Taken(r => r.Endpoint.Id != endpoint.Id);
        return taken + wanted <= memoryMib || wanted <= Taken(r => r.Endpoint.Id == endpoint.Id)
            ? null
            : $"The provisioned instances of {string.Join(" and ", carrying.Where(r => r.Spec.Provisioned > 0).Select(r => r.Id.Number).Order().Select(n => $"r{n}"))} of '{endpoint.Name}' have {wanted} MiB; allowed are 0 to "
                + $"{Math.Max(0, memoryMib - taken)} MiB: they are to fit the machine's {memoryMib} MiB beside the {taken} MiB that other endpoints have provisioned. "
                + "Deploy a revision with less, take traffic from another one, or raise machine.memory.";
    }

    private long Taken(Func<EndpointRoute, bool> counts) => routing.Routes().Where(r => !r.Endpoint.IsUnloaded && counts(r)).SelectMany(r => r.Revisions).Sum(Provisioned);

    private static long Provisioned(Revision revision) => (long)revision.Spec.Provisioned * revision.Spec.MemoryMib;
}
