using Dormouse.Core.Endpoints;

namespace Dormouse.Core.Instances;

/// <summary>
/// Starts that wait for room, in turn: one of each tenant, and among those of a tenant one of each endpoint; those of an endpoint in order of arrival. Who joins stands behind all that wait.
/// So nobody gets a second turn while another waits for the first: with T tenants waiting, and E endpoints of the own tenant, at most T × E − 1 starts go before the first of an endpoint,
/// however many an endpoint or a tenant asks for.
/// </summary>
/// <typeparam name="T">What waits.</typeparam>
internal sealed class StartLine<T>
    where T : class
{
    private readonly LinkedList<TenantTurn> _tenants = new();
    private readonly Dictionary<TenantId, LinkedListNode<TenantTurn>> _byTenant = [];

    public int Count { get; private set; }

    /// <summary>Whose turn it is; null when nobody waits. The same one until it leaves, whoever joins meanwhile.</summary>
    public T? First => _tenants.First?.Value.Endpoints.First?.Value.Waiting.First?.Value;

    public void Add(T item, TenantId tenant, EndpointId endpoint)
    {
        if (!_byTenant.TryGetValue(tenant, out var turn))
        {
            turn = _tenants.AddLast(new TenantTurn(tenant));
            _byTenant.Add(tenant, turn);
        }

        if (!turn.Value.ByEndpoint.TryGetValue(endpoint, out var own))
        {
            own = turn.Value.Endpoints.AddLast(new EndpointTurn(endpoint));
            turn.Value.ByEndpoint.Add(endpoint, own);
        }

        own.Value.Waiting.AddLast(item);
        Count++;
    }

    /// <summary>Takes out <see cref="First"/>, which uses up a turn of its endpoint and its tenant. Only while somebody waits.</summary>
    public void TakeFirst()
    {
        var tenant = _tenants.First!; // Somebody waits, so there is a tenant with an endpoint.
        var endpoint = tenant.Value.Endpoints.First!; // As above.
        endpoint.Value.Waiting.RemoveFirst();
        Count--;
        _tenants.Remove(tenant);
        _tenants.AddLast(tenant);
        tenant.Value.Endpoints.Remove(endpoint);
        tenant.Value.Endpoints.AddLast(endpoint);
        RemoveEmpty(tenant, endpoint);
    }

    /// <summary>It waits no more; nobody's turn is used up.</summary>
    public void Remove(T item, TenantId tenant, EndpointId endpoint)
    {
        if (_byTenant.TryGetValue(tenant, out var turn) && turn.Value.ByEndpoint.TryGetValue(endpoint, out var own) && own.Value.Waiting.Remove(item))
        {
            Count--;
            RemoveEmpty(turn, own);
        }
    }

    private void RemoveEmpty(LinkedListNode<TenantTurn> tenant, LinkedListNode<EndpointTurn> endpoint)
    {
        if (endpoint.Value.Waiting.Count == 0)
        {
            tenant.Value.Endpoints.Remove(endpoint);
            tenant.Value.ByEndpoint.Remove(endpoint.Value.Endpoint);
        }

        if (tenant.Value.Endpoints.Count == 0)
        {
            _tenants.Remove(tenant);
            _byTenant.Remove(tenant.Value.Tenant);
        }
    }

    private sealed class TenantTurn(TenantId tenant)
    {
        public TenantId Tenant => tenant;

        public LinkedList<EndpointTurn> Endpoints { get; } = new();

        public Dictionary<EndpointId, LinkedListNode<EndpointTurn>> ByEndpoint { get; } = [];
    }

    private sealed class EndpointTurn(EndpointId endpoint)
    {
        public EndpointId Endpoint => endpoint;

        public LinkedList<T> Waiting { get; } = new();
    }
}
