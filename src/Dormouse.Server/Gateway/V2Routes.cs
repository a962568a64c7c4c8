using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Dormouse.Core.Access;
using Dormouse.Core.Endpoints;
using Dormouse.Protocol.Problems;
using Dormouse.Server.Access;
using Dormouse.Server.Errors;
using Dormouse.Server.Routing;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace Dormouse.Server.Gateway;

/// <summary>The Open Inference Protocol's REST routes, for the default tenant at <c>/v2</c> and for each at <c>/t/{tenant}/v2</c>.</summary>
internal sealed class V2Routes(InvocationPipeline pipeline, ModelViews views, Repository repository, RoutingTable routes, AccessGate gate)
{
    /// <summary>Longest body of a repository call, bytes.</summary>
    private const int RepositoryBodyBytesMax = 1 << 20;

    private const string StatsWord = "stats";

    private delegate Task ModelHandler(HttpContext context, EndpointRoute route, string? version);

    public void Map(IEndpointRouteBuilder app, string prefix, List<IEndpointConventionBuilder> mapped)
    {
        void Add(string pattern, string method, RequestDelegate handler) =>
            mapped.Add(app.Map(prefix + pattern, context => context.Request.Method == method || (method == "GET" && HttpMethods.IsHead(context.Request.Method))
                ? handler(context)
                : RefuseMethodAsync(context, method)));

        Add("/v2", "GET", context => WithKeyAsync(context, KeyScopes.Invoke, _ => WriteAsync(context, ModelViews.Server(), V2Json.Default.ServerMetadata)));
        Add("/v2/health/live", "GET", context => WriteAsync(context, new HealthLive(true), V2Json.Default.HealthLive));
        Add("/v2/health/ready", "GET", ReadyAsync);
        Add("/v2/models", "GET", context => WithKeyAsync(
            context, KeyScopes.Invoke, tenant => WriteAsync(context, new ModelList(views.Names(tenant)), V2Json.Default.ModelList)));
        Add("/v2/models/" + StatsWord, "GET", AllStatsAsync);
        foreach (var model in (string[])["/v2/models/{model}", "/v2/models/{model}/versions/{version}"])
        {
            Add(model, "GET", context => WithModelAsync(context, MetadataAsync));
            Add(model + "/ready", "GET", context => WithModelAsync(context, ModelReadyAsync));
            Add(model + "/config", "GET", context => WithModelAsync(context, ConfigAsync));
            Add(model + "/stats", "GET", context => WithModelAsync(context, StatsAsync));
            Add(model + "/infer", "POST", InferAsync);
            Add(model + "/generate", "POST", context => RefuseAsync(context, "The generate extension"));
            Add(model + "/generate_stream", "POST", context => RefuseAsync(context, "The generate extension"));
        }

        Add("/v2/repository/index", "POST", IndexAsync);
        Add("/v2/repository/models/{model}/load", "POST", context => ChangeAsync(context, isLoad: true));
        Add("/v2/repository/models/{model}/unload", "POST", context => ChangeAsync(context, isLoad: false));
        foreach (var kind in (string[])["system", "cuda"])
        {
            mapped.Add(app.Map($"{prefix}/v2/{kind}sharedmemory/{{**rest}}", context => RefuseAsync(context, "Shared memory")));
        }

        mapped.Add(app.Map(prefix + "/v2/{**rest}", context => Problems.WriteAsync(
            context, ProblemCode.RouteNotFound, "The inference protocol has nothing at this address.")));
    }

    /// <summary>Tenant that the path names.</summary>
    public static TenantId TenantOf(HttpContext context) =>
        context.Request.RouteValues.TryGetValue("tenant", out var tenant) && tenant is string name ? new TenantId(name) : TenantId.Default;

    private static string Value(HttpContext context, string name) => context.Request.RouteValues[name] as string ?? "";

    private static Task RefuseMethodAsync(HttpContext context, string allowed)
    {
        context.Response.Headers.Allow = allowed;
        return Problems.WriteAsync(context, ProblemCode.MethodNotAllowed, $"Method Not Allowed: {context.Request.Method}; possible: {allowed}.");
    }

    private static async Task WriteAsync<T>(HttpContext context, T value, JsonTypeInfo<T> type, int status = StatusCodes.Status200OK)
    {
        var body = JsonSerializer.SerializeToUtf8Bytes(value, type);
        context.Response.StatusCode = status;
        context.Response.ContentType = "application/json";
        context.Response.ContentLength = body.Length;
        if (!HttpMethods.IsHead(context.Request.Method))
        {
            await context.Response.Body.WriteAsync(body, context.RequestAborted);
        }
    }

    private static Task WriteAsync(HttpContext context, Problem problem) => Problems.WriteAsync(context, problem.Code, problem.Detail, problem.RetryAfter);

    private Task RefuseAsync(HttpContext context, string what) => WithKeyAsync(
        context, KeyScopes.Invoke, _ => Problems.WriteAsync(context, ProblemCode.NotSupported, $"{what} is not supported by this server."));

    private Task ReadyAsync(HttpContext context)
    {
        var isReady = !pipeline.IsStopping;
        return WriteAsync(context, new HealthReady(isReady), V2Json.Default.HealthReady, isReady ? StatusCodes.Status200OK : StatusCodes.Status400BadRequest);
    }

    private Task InferAsync(HttpContext context) => pipeline.InvokeAsync(
        context, new InvocationAddress(TenantOf(context), Value(context, "model"), context.Request.RouteValues["version"] as string, default));

    private async Task WithKeyAsync(HttpContext context, KeyScopes needed, Func<TenantId, Task> handle)
    {
        var tenant = TenantOf(context);
        if (await gate.CheckAsync(context, needed, tenant) is not null)
        {
            await handle(tenant);
        }
    }

    private async Task WithModelAsync(HttpContext context, ModelHandler handle)
    {
        var tenant = TenantOf(context);
        var name = Value(context, "model");
        var route = routes.Find(tenant, name);
        if (await gate.CheckAsync(context, KeyScopes.Invoke, tenant, route?.Endpoint.IsPublic ?? false) is null)
        {
            return;
        }

        if (route is null)
        {
            await WriteAsync(context, Problem.EndpointNotFound(name));
            return;
        }

        await handle(context, route, context.Request.RouteValues["version"] as string);
    }

    private async Task ModelReadyAsync(HttpContext context, EndpointRoute route, string? version)
    {
        var isReady = await views.IsReadyAsync(route, version, context.RequestAborted);
        await WriteAsync(
            context, new ModelReady(route.Endpoint.Name, isReady), V2Json.Default.ModelReady, isReady ? StatusCodes.Status200OK : StatusCodes.Status400BadRequest);
    }

    private async Task MetadataAsync(HttpContext context, EndpointRoute route, string? version)
    {
        var (revision, problem) = await views.ResolveAsync(route, version, context.RequestAborted);
        if (revision is null || ModelViews.InterfaceOf(revision) is not { } model)
        {
            await WriteAsync(context, problem ?? ModelViews.NotLoadedYet(route.Endpoint.Name));
            return;
        }

        await WriteAsync(context, await views.MetadataAsync(route, model, context.RequestAborted), V2Json.Default.ModelMetadata);
    }

    private async Task ConfigAsync(HttpContext context, EndpointRoute route, string? version)
    {
        var (revision, problem) = await views.ResolveAsync(route, version, context.RequestAborted);
        if (revision is null || ModelViews.InterfaceOf(revision) is not { } model)
        {
            await WriteAsync(context, problem ?? ModelViews.NotLoadedYet(route.Endpoint.Name));
            return;
        }

        await WriteAsync(context, ModelViews.Config(route, revision, model), V2Json.Default.ModelConfig);
    }

    private async Task StatsAsync(HttpContext context, EndpointRoute route, string? version)
    {
        if (version is null)
        {
            await WriteAsync(context, await views.StatisticsAsync(route, context.RequestAborted), V2Json.Default.ModelStatistics);
            return;
        }

        var (revision, problem) = await views.ResolveAsync(route, version, context.RequestAborted);
        await (revision is null
            ? WriteAsync(context, problem ?? Problem.RevisionNotFound(route.Endpoint.Name, version))
            : WriteAsync(context, views.Statistics(route, revision), V2Json.Default.ModelStatistics));
    }

    /// <summary>Statistics of all models; the metadata of the one called 'stats' where there is one, for its name was free.</summary>
    private Task AllStatsAsync(HttpContext context)
    {
        if (routes.Find(TenantOf(context), StatsWord) is not null)
        {
            context.Request.RouteValues["model"] = StatsWord;
            return WithModelAsync(context, MetadataAsync);
        }

        return WithKeyAsync(
            context, KeyScopes.Invoke,
            async tenant => await WriteAsync(context, await views.StatisticsAsync(tenant, context.RequestAborted), V2Json.Default.ModelStatistics));
    }

    private async Task IndexAsync(HttpContext context)
    {
        var tenant = TenantOf(context);
        if (await gate.CheckAsync(context, KeyScopes.Invoke, tenant) is null)
        {
            return;
        }

        var request = await RepositoryRequest.ReadAsync(context, RepositoryBodyBytesMax, pipeline.Time);
        if (request.Problem is not null)
        {
            await WriteAsync(context, request.Problem);
            return;
        }

        await WriteAsync(context, await views.IndexAsync(tenant, request.OnlyReady, context.RequestAborted), V2Json.Default.ImmutableArrayModelIndex);
    }

    private async Task ChangeAsync(HttpContext context, bool isLoad)
    {
        var tenant = TenantOf(context);
        if (await gate.CheckAsync(context, KeyScopes.Admin, tenant) is null)
        {
            return;
        }

        var request = await RepositoryRequest.ReadAsync(context, RepositoryBodyBytesMax, pipeline.Time);
        var name = Value(context, "model");
        if ((request.Problem ?? (isLoad ? request.LoadProblem : null)) is { } refused)
        {
            await WriteAsync(context, refused);
            return;
        }

        var route = routes.Find(tenant, name);
        var problem = route is null ? Problem.EndpointNotFound(name)
            : await (isLoad ? repository.LoadAsync(route, context.RequestAborted) : repository.UnloadAsync(route, context.RequestAborted));
        if (problem is not null)
        {
            await WriteAsync(context, problem);
            return;
        }

        await (isLoad
            ? WriteAsync(context, new ModelLoaded(name, true), V2Json.Default.ModelLoaded)
            : WriteAsync(context, new ModelUnloaded(name, true), V2Json.Default.ModelUnloaded));
    }
}
