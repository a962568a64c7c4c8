using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace Dormouse.Server.Gateway;

/// <summary><c>/invoke/{endpoint}/{**path}</c>: any method, any body, straight to the instance at <c>/{path}</c>.</summary>
internal sealed class InvokeRoutes(InvocationPipeline pipeline)
{
    public void Map(IEndpointRouteBuilder app, string prefix, List<IEndpointConventionBuilder> mapped) =>
        mapped.Add(app.Map(prefix + "/invoke/{endpoint}/{**path}", InvokeAsync));

    private Task InvokeAsync(HttpContext context)
    {
        var values = context.Request.RouteValues;
        var path = new PathString("/" + (values["path"] as string ?? ""));
        return pipeline.InvokeAsync(
            context, new InvocationAddress(V2Routes.TenantOf(context), values["endpoint"] as string ?? "", null, new InstanceTarget(path)));
    }
}
