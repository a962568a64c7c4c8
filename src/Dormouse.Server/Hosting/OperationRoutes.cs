using Dormouse.Core.Access;
using Dormouse.Core.Endpoints;
using Dormouse.Server.Access;
using Dormouse.Server.Control;
using Dormouse.Server.Telemetry;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;

namespace Dormouse.Server.Hosting;

/// <summary>Addresses for those who watch the server: health (open), the OpenAPI document (open), metrics (scope admin: they show the endpoints of every tenant).</summary>
internal static class OperationRoutes
{
    private static readonly byte[] Healthy = "{\"status\":\"ok\"}"u8.ToArray();

    public static void MapOperations(this IEndpointRouteBuilder app)
    {
        app.MapMethods("/health", ["GET", "HEAD"], HealthAsync).WithDisplayName("The server answers; no key needed");

        byte[]? document = null;
        app.MapMethods("/openapi/v1.json", ["GET"], context =>
        {
            document ??= System.Text.Encoding.UTF8.GetBytes(
                OpenApiDocument.Make(context.RequestServices.GetRequiredService<EndpointDataSource>().Endpoints.OfType<RouteEndpoint>()).ToJsonString());
            return WriteJsonAsync(context, document);
        }).WithDisplayName("This document; no key needed");

        app.MapMethods("/metrics", ["GET"], ScrapeAsync).WithDisplayName("Metrics in the Prometheus text form; scope admin");
    }

    private static Task HealthAsync(HttpContext context) => WriteJsonAsync(context, Healthy);

    private static async Task ScrapeAsync(HttpContext context)
    {
        if (await context.RequestServices.GetRequiredService<AccessGate>().CheckAsync(context, KeyScopes.Admin, TenantId.Default) is not null)
        {
            await context.RequestServices.GetRequiredService<MetricsExport>().ScrapeAsync(context);
        }
    }

    private static async Task WriteJsonAsync(HttpContext context, byte[] json)
    {
        context.Response.ContentType = "application/json";
        context.Response.ContentLength = json.Length;
        if (!HttpMethods.IsHead(context.Request.Method))
        {
            await context.Response.Body.WriteAsync(json, context.RequestAborted);
        }
    }
}
