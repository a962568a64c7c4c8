using Dormouse.Protocol.Problems;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace Dormouse.Server.Errors;

/// <summary>
/// Stands between route matching and the routes: an address that no route has, or none with this method, gets a problem document.
/// Answers that an instance itself gave are not touched: those come from a route.
/// </summary>
internal sealed class UnmatchedRoutes(RequestDelegate next)
{
    public async Task InvokeAsync(HttpContext context)
    {
        switch (context.GetEndpoint())
        {
            case RouteEndpoint:
                await next(context);
                return;

            case null:
                await Problems.WriteAsync(context, ProblemCode.RouteNotFound,
                    $"There is nothing at {Printable(context.Request.Path)}. The addresses are listed at /openapi/v1.json.");
                return;

            case { } rejecting:
                // Routing's own endpoint for a wrong method (or content type): it sets the status and Allow, and leaves the body empty.
                if (rejecting.RequestDelegate is { } reject)
                {
                    await reject(context);
                }

                var code = context.Response.StatusCode == StatusCodes.Status415UnsupportedMediaType ? ProblemCode.MediaTypeUnsupported : ProblemCode.MethodNotAllowed;
                var allowed = context.Response.Headers.Allow.ToString();
                await Problems.WriteAsync(context, code,
                    $"{context.Request.Method} is not possible at {Printable(context.Request.Path)}{(allowed.Length == 0 ? "" : $"; possible: {allowed}")}.");
                return;
        }
    }

    private static string Printable(PathString path) => UrlText.Shown(path.Value ?? "/", lengthMax: 200);
}
