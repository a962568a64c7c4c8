using Dormouse.Core.Endpoints;
using Dormouse.Server.Routing;
using Dormouse.Server.Telemetry;

namespace Dormouse.Server.Tests.Telemetry;

public sealed class EndpointLabelsTests
{
    private readonly RoutingTable _routes = new();

    [Fact]
    public void Only_so_many_endpoints_have_a_label_of_their_own()
    {
        var labels = new EndpointLabels(_routes);

        var seen = Enumerable.Range(0, 500).Select(i => labels.Of($"e{i}")).ToList();

        Assert.Equal(EndpointLabels.NamesMax, seen.Distinct().Count(l => l != EndpointLabels.Other));
        Assert.Equal("e3", labels.Of("e3"));
        Assert.Equal(EndpointLabels.Other, labels.Of("e499"));
    }

    [Fact]
    public void A_deleted_endpoint_frees_its_place_and_the_others_keep_theirs()
    {
        var labels = new EndpointLabels(_routes);
        var endpoints = Enumerable.Range(0, EndpointLabels.NamesMax + 2).Select(i => Add($"e{i}")).ToList();
        endpoints.ForEach(e => labels.Of(e.Name));
        Assert.Equal((EndpointLabels.Other, EndpointLabels.Other), (labels.Of("e200"), labels.Of("e201")));

        _routes.Remove(endpoints[7]);

        Assert.Equal("e7", labels.Of("e7")); // A run of it that ends late.
        Assert.Equal("e201", labels.Of("e201"));
        Assert.Equal((EndpointLabels.Other, EndpointLabels.Other), (labels.Of("e200"), labels.Of("e7")));
        Assert.All(endpoints.Take(EndpointLabels.NamesMax).Where(e => e.Name != "e7"), e => Assert.Equal(e.Name, labels.Of(e.Name)));
    }

    [Fact]
    public void Any_number_of_endpoints_may_come_and_go()
    {
        var labels = new EndpointLabels(_routes);

        for (var i = 0; i < 10 * EndpointLabels.NamesMax; i++)
        {
            var endpoint = Add($"e{i}");
            Assert.Equal(endpoint.Name, labels.Of(endpoint.Name));
            _routes.Remove(endpoint);
        }
    }

    [Fact]
    public void A_name_that_another_tenant_still_has_keeps_its_label()
    {
        var labels = new EndpointLabels(_routes);
        var endpoints = Enumerable.Range(0, EndpointLabels.NamesMax).Select(i => Add($"e{i}")).ToList();
        Add("e0", new TenantId("other"));
        endpoints.ForEach(e => labels.Of(e.Name));

        _routes.Remove(endpoints[0]);

        Assert.Equal((EndpointLabels.Other, "e0"), (labels.Of("new"), labels.Of("e0")));
    }

    private Endpoint Add(string name, TenantId? tenant = null)
    {
        var endpoint = new Endpoint
        {
            Id = new EndpointId(Guid.CreateVersion7()),
            Tenant = tenant ?? TenantId.Default,
            Name = name,
            IsPublic = false,
            Traffic = [],
            CreatedAt = DateTimeOffset.UnixEpoch,
        };
        _routes.Put(new EndpointRoute(endpoint, []));
        return endpoint;
    }
}
