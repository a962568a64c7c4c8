using System.Net;
using System.Net.NetworkInformation;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Overflow;
using Dormouse.Protocol.Control;
using Dormouse.Server.Gateway;
using Microsoft.AspNetCore.Http;
using Endpoint = Dormouse.Core.Endpoints.Endpoint;

namespace Dormouse.Server.Overflow;

/// <summary>Where an invocation goes at its overflow address, and whether that address is this server's own.</summary>
internal static class OverflowAddress
{
    /// <summary>Without a path in the policy: where a server like this one serves the same endpoint. With one: there, and what a caller of <c>/invoke</c> named behind it.</summary>
    public static Uri Of(OverflowPolicy policy, Endpoint endpoint, InstanceTarget target, QueryString query)
    {
        var url = new Uri(policy.Url);
        var tenant = endpoint.Tenant == TenantId.Default ? "" : "/t/" + endpoint.Tenant;
        if (target.Path is not { } path)
        {
            return policy.HasPath ? url : new Uri(url, $"{tenant}/v2/models/{endpoint.Name}/infer");
        }

        var root = policy.HasPath ? url.AbsoluteUri.TrimEnd('/') : new Uri(url, $"{tenant}/invoke/{endpoint.Name}").AbsoluteUri;
        return new Uri(root + path.ToUriComponent() + query.ToUriComponent());
    }

    /// <summary>The address is one that this server listens at, as far as the address alone tells; a header finds the other loops.</summary>
    public static bool IsOwn(OverflowPolicy policy, ServerAddresses own)
    {
        var url = new Uri(policy.Url);
        return (url.Port == new Uri(own.Http).Port || url.Port == new Uri(own.Grpc).Port) && IsThisMachine(url);
    }

    private static bool IsThisMachine(Uri url)
    {
        if (url.IsLoopback || url.IdnHost.Equals(Dns.GetHostName(), StringComparison.OrdinalIgnoreCase))
        {
            return true;
        }

        return IPAddress.TryParse(url.IdnHost, out var address)
            && (address.Equals(IPAddress.Any) || address.Equals(IPAddress.IPv6Any)
                || NetworkInterface.GetAllNetworkInterfaces().Any(n => n.GetIPProperties().UnicastAddresses.Any(u => u.Address.Equals(address))));
    }
}
