using System.Collections.Immutable;
using Dormouse.Protocol.Control;
using Dormouse.Server.Control;
using Microsoft.Extensions.DependencyInjection;

namespace Dormouse.Server.Secrets;

internal static class SecretRoutes
{
    /// <summary>The part of the control plane's table of contents that is about secrets.</summary>
    public static ImmutableArray<ControlRoute> All(SecretsApi api) =>
    [
        ControlRoutes.Get("/secrets", "listSecrets", "Secrets of the tenant, when they were set and who uses them; never a value", typeof(SecretList), api.ListAsync),
        ControlRoutes.Send("PUT", "/secrets/{name}", "setSecret", "Set a secret; instances that start from then on get the value", typeof(SecretRequest), typeof(SecretInfo), api.PutAsync),
        ControlRoutes.Send("DELETE", "/secrets/{name}", "deleteSecret", "Delete a secret that no revision with traffic names", null, null, api.DeleteAsync) with
        {
            Status = 204,
            Query = [new QueryParameter("force", "boolean", "Delete it though revisions name it; their instances cannot start any more. Default false.")],
        },
    ];

    /// <summary>Secrets of tenants. Needs their store, the routing table and dispatch.</summary>
    public static IServiceCollection AddSecrets(this IServiceCollection services) => services
        .AddSingleton<SecretsOfRevisions>()
        .AddSingleton<InstanceMasks>()
        .AddSingleton<SecretViews>()
        .AddSingleton<SecretsApi>();
}
