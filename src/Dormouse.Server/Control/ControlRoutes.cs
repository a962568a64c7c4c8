using System.Collections.Immutable;
using Dormouse.Core.Access;
using Dormouse.Core.Endpoints;
using Dormouse.Protocol.Control;
using Dormouse.Protocol.Problems;
using Dormouse.Server.Access;
using Dormouse.Server.Batches;
using Dormouse.Server.Deploying;
using Dormouse.Server.Destinations;
using Dormouse.Server.Environments;
using Dormouse.Server.Errors;
using Dormouse.Server.Logs;
using Dormouse.Server.Queues;
using Dormouse.Server.Rollouts;
using Dormouse.Server.Secrets;
using Dormouse.Server.Triggers;
using Dormouse.Server.Uploads;
using Dormouse.Server.Usage;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;

namespace Dormouse.Server.Control;

/// <summary>The table of contents of the control plane. docs/spec/api.md describes each row; a test walks both.</summary>
internal static class ControlRoutes
{
    private const string Prefix = "/api/v1";

    private static readonly QueryParameter Wait = new("wait", "string", "How long to wait for its end, 0s to 60s. Default 0s.");

    private static readonly QueryParameter Limit = new("limit", "integer", "Most receipts, 1 to 1,000. Default 100.");

    /// <summary>Maps every operation below <c>/api/v1</c>, and below <c>/t/{tenant}/api/v1</c> for a tenant of its own address.</summary>
    public static void MapControl(this IEndpointRouteBuilder app)
    {
        var gate = app.ServiceProvider.GetRequiredService<AccessGate>();
        foreach (var route in All(app.ServiceProvider))
        {
            app.MapMethods(Prefix + route.Pattern, [route.Method], context => AnswerAsync(gate, route, TenantId.Default, context)).WithMetadata(route);
            app.MapMethods("/t/{tenant}" + Prefix + route.Pattern, [route.Method], context => AnswerForTenantAsync(gate, route, context));
        }
    }

    private static async Task AnswerForTenantAsync(AccessGate gate, ControlRoute route, HttpContext context)
    {
        var name = (string)context.Request.RouteValues["tenant"]!;
        if (name != TenantId.Default.Value && EndpointName.Refusal(name) is { } refusal)
        {
            await Problems.WriteAsync(context, ProblemCode.NameInvalid, "A tenant has a name like an endpoint's. " + refusal);
            return;
        }

        await AnswerAsync(gate, route, new TenantId(name), context);
    }

    private static async Task AnswerAsync(AccessGate gate, ControlRoute route, TenantId tenant, HttpContext context)
    {
        if (await gate.CheckAsync(context, route.Scope, tenant) is { } caller)
        {
            await route.Handle(new ControlCall(context, caller));
        }
    }

    private static IEnumerable<ControlRoute> All(IServiceProvider services) =>
    [
        .. Endpoints(services.GetRequiredService<EndpointsApi>(), services.GetRequiredService<DeployApi>(), services.GetRequiredService<LogsApi>(), services.GetRequiredService<FunctionDocuments>()),
        .. Rollouts(services.GetRequiredService<TagsApi>(), services.GetRequiredService<MirrorApi>()),
        .. Blobs(services.GetRequiredService<BlobsApi>()),
        .. Functions(services.GetRequiredService<FunctionsApi>(), services.GetRequiredService<EnvironmentsApi>()),
        .. Keys(services.GetRequiredService<KeysApi>()),
        .. Usage(services.GetRequiredService<UsageApi>(), services.GetRequiredService<ReceiptsApi>(), services.GetRequiredService<ArrivalsApi>()),
        .. Queue(services.GetRequiredService<QueueApi>()),
        .. QueueEditRoutes.All(services),
        .. SecretRoutes.All(services.GetRequiredService<SecretsApi>()),
        .. DestinationRoutes.All(services.GetRequiredService<DestinationsApi>(), services.GetRequiredService<DeliveriesApi>()),
        .. TriggerRoutes.All(services.GetRequiredService<TriggersApi>()),
        .. BatchRoutes.All(services.GetRequiredService<BatchesApi>()),
        .. Machine(services.GetRequiredService<MachineApi>()),
    ];

    private static ImmutableArray<ControlRoute> Endpoints(EndpointsApi api, DeployApi deploy, LogsApi logs, FunctionDocuments documents) =>
    [
        Get("/endpoints", "listEndpoints", "Endpoints of the tenant, without revisions and instances", typeof(EndpointList), api.ListAsync) with
        {
            Query =
            [
                new QueryParameter("limit", "integer", "Most endpoints, 1 to 1,000. Default 1,000."),
                new QueryParameter("page_token", "string", "next_page_token of the page before. Default: the first page."),
            ],
        },
        Get("/endpoints/{name}", "getEndpoint", "One endpoint with its revisions, instances and scaling log", typeof(EndpointInfo), api.GetAsync),
        Send("PATCH", "/endpoints/{name}", "changeEndpoint", "Make it public or private", typeof(EndpointPatch), typeof(EndpointInfo), api.PatchAsync),
        Send("DELETE", "/endpoints/{name}", "deleteEndpoint", "Delete it; receipts stay. 202 while runs are finished", null, null, api.DeleteAsync) with { Status = 204 },
        new("GET", "/endpoints/{name}/openapi", KeyScopes.Invoke, "describeFunction", "The OpenAPI document of a Python function: how it is called, what it takes and answers", documents.GetAsync),
        Get("/endpoints/{name}/revisions", "listRevisions", "Its revisions, newest first", typeof(RevisionList), api.RevisionsAsync),
        Send("POST", "/endpoints/{name}/revisions", "deploy", "Make a revision of uploaded files", typeof(DeployRequest), typeof(RevisionInfo), deploy.PostAsync) with
        {
            Status = 201,
            Query = [new QueryParameter("wait", "boolean", "Answer when verifying has ended. Default true; false answers 202.")],
        },
        Send("PUT", "/endpoints/{name}/traffic", "setTraffic", "Give revisions shares of the traffic", typeof(TrafficRequest), typeof(EndpointInfo), api.PutTrafficAsync),
        Send("POST", "/endpoints/{name}/rollback", "rollback", "Back to the traffic before, or to a revision", typeof(RollbackRequest), typeof(EndpointInfo), api.RollbackAsync),
        Send("POST", "/endpoints/{name}/stop", "stop", "Drain to zero; the next call starts it again", null, typeof(EndpointInfo), api.StopAsync),
        Get("/endpoints/{name}/logs", "readLogs", "What its instances wrote, as JSON lines", typeof(LogLine), logs.GetAsync) with
        {
            AnswerType = "application/x-ndjson",
            Query = [new QueryParameter("tail", "integer", "Lines from the end, 0 to 10,000. Default 100, with since 10,000."), new QueryParameter("since", "string", "Only lines of so long ago or later, such as 10m, or since an RFC 3339 time. Default: of any time."), new QueryParameter("follow", "boolean", "Stay and send new lines. Default false."), new QueryParameter("invocation", "string", "Only lines of this invocation. Default: all.")],
        },
    ];

    private static ImmutableArray<ControlRoute> Rollouts(TagsApi tags, MirrorApi mirror) =>
    [
        Send("PUT", "/endpoints/{name}/tags/{tag}", "setTag", "Let a tag address one revision", typeof(TagRequest), typeof(EndpointInfo), tags.PutAsync),
        Send("DELETE", "/endpoints/{name}/tags/{tag}", "deleteTag", "Remove a tag", null, typeof(EndpointInfo), tags.DeleteAsync),
        Send("PUT", "/endpoints/{name}/mirror", "setMirror", "Copy invocations to a revision and compare its answers", typeof(MirrorRequest), typeof(EndpointInfo), mirror.PutAsync),
        Send("DELETE", "/endpoints/{name}/mirror", "deleteMirror", "Copy invocations no more", null, typeof(EndpointInfo), mirror.DeleteAsync),
    ];

    private static ImmutableArray<ControlRoute> Blobs(BlobsApi api) =>
    [
        new("HEAD", "/blobs/{sha256}", KeyScopes.Admin, "statBlob", "How much of a file is here (Upload-Offset); 200 when all, else 404", api.HeadAsync),
        new("PUT", "/blobs/{sha256}", KeyScopes.Admin, "uploadBlob", "Send a file or its next part; 201 when all is here, 202 when bytes are missing", api.PutAsync)
        {
            Answer = typeof(BlobInfo),
            Status = 201,
        },
    ];

    private static ImmutableArray<ControlRoute> Functions(FunctionsApi api, EnvironmentsApi environments) =>
    [
        Send("POST", "/functions", "listFunctions", "Import uploaded Python files once and say which functions they have", typeof(FunctionsRequest), typeof(FunctionList), api.PostAsync),
        Send("POST", "/environments", "buildEnvironments", "Begin to build the environments that uploaded Python files need, and say which they are", typeof(FunctionsRequest), typeof(EnvironmentList), environments.PostAsync),
        Get("/environments", "listEnvironments", "Python environments that revisions of the tenant use; for the default tenant all", typeof(EnvironmentList), environments.ListAsync),
        Get("/environments/{id}", "getEnvironment", "One environment, what is in it, and the log of its build", typeof(EnvironmentInfo), environments.GetAsync) with
        {
            Query =
            [
                new QueryParameter("after", "integer", "Lines of the log that are left out, 0 to 4,001. Default 0."),
                new QueryParameter("wait", "integer", "While it is being built: how many seconds to wait for a further line or the end, 0 to 30. Default 0."),
            ],
        },
        Send("DELETE", "/environments/{id}", "deleteEnvironment", "Remove an environment that no revision uses", null, null, environments.DeleteAsync) with { Status = 204 },
    ];

    private static ImmutableArray<ControlRoute> Keys(KeysApi api) =>
    [
        Get("/keys", "listKeys", "Keys of the tenant, without their secrets", typeof(KeyList), api.ListAsync),
        Send("POST", "/keys", "createKey", "Make a key; the answer shows it this once", typeof(CreateKeyRequest), typeof(KeyInfo), api.CreateAsync) with { Status = 201 },
        Send("DELETE", "/keys/{id}", "revokeKey", "Revoke a key at once", null, null, api.RevokeAsync) with { Status = 204 },
    ];

    private static ImmutableArray<ControlRoute> Usage(UsageApi usage, ReceiptsApi receipts, ArrivalsApi arrivals) =>
    [
        Get("/invocations", "listInvocations", "The last receipts, newest first", typeof(ReceiptList), call => receipts.ListAsync(call, call.Query("endpoint"))) with
        {
            Query = [Limit, new QueryParameter("endpoint", "string", "Name, or id of a deleted one.")],
        },
        Get("/endpoints/{name}/invocations", "listEndpointInvocations", "The last receipts of one endpoint", typeof(ReceiptList), call => receipts.ListAsync(call, call.Route("name"))) with
        {
            Query = [Limit],
        },
        Get("/arrivals", "listArrivals", "When endpoints were called, oldest first: load for the simulator", typeof(ArrivalPage), arrivals.PageAsync) with
        {
            Query =
            [
                new QueryParameter("from", "string", "RFC 3339 time or date. Default a day ago."),
                new QueryParameter("to", "string", "The end, not included. Default now."),
                new QueryParameter("endpoint", "string", "Name, or id of a deleted one."),
                new QueryParameter("after", "string", "The 'next' of the page before."),
                new QueryParameter("limit", "integer", "Most arrivals, 1 to 10,000. Default 10,000."),
            ],
        },
        Get("/usage", "getUsage", "Totals by endpoint or by hour and endpoint", typeof(UsageReport), usage.ReportAsync) with
        {
            Query =
            [
                new QueryParameter("from", "string", "RFC 3339 time or date, widened to the hour. Default a day ago."),
                new QueryParameter("to", "string", "The end, not included, widened to the hour. Default now."),
                new QueryParameter("by", "string", "endpoint or hour. Default endpoint."),
                new QueryParameter("endpoint", "string", "Name, or id of a deleted one."),
            ],
        },
    ];

    private static ImmutableArray<ControlRoute> Queue(QueueApi api) =>
    [
        Get("/invocations/{id}", "getInvocation", "One receipt, also while the invocation runs; of an asynchronous one where it stands", typeof(ReceiptInfo), api.GetAsync) with
        {
            Scope = KeyScopes.Invoke,
            Query = [Wait],
        },
        new("GET", "/invocations/{id}/result", KeyScopes.Invoke, "getResult", "The kept answer of an asynchronous invocation, with its own status and headers", api.ResultAsync)
        {
            AnswerType = "*/*",
            Query = [Wait],
        },
        Send("POST", "/invocations/{id}/cancel", "cancelInvocation", "Cancel an asynchronous invocation that has not ended", null, typeof(ReceiptInfo), api.CancelAsync) with
        {
            Scope = KeyScopes.Invoke,
        },
        Send("POST", "/invocations/{id}/redrive", "redriveInvocation", "Run a dead letter, or another one that did not succeed, anew", null, typeof(ReceiptInfo), api.RedriveAsync),
        Get("/queue", "listQueue", "Asynchronous invocations, newest first", typeof(QueueList), api.ListAsync) with
        {
            Query =
            [
                new QueryParameter("endpoint", "string", "Name, or id of a deleted one."),
                new QueryParameter("state", "string", "queued, running, succeeded, failed, dead, cancelled or expired. Default: all."),
                new QueryParameter("limit", "integer", "Most invocations, 1 to 1,000. Default 100."),
                new QueryParameter("page_token", "string", "next_page_token of the page before. Default: the first page."),
            ],
        },
        Get("/queue/depths", "listQueueDepths", "How many asynchronous invocations of each endpoint wait, run or are dead letters, and the age of the oldest", typeof(QueueDepthList), api.DepthsAsync) with
        {
            Query = [new QueryParameter("endpoint", "string", "Name, or id of a deleted one. Default: all.")],
        },
        Send("POST", "/queue/redrive", "redriveDeadLetters", "Run dead letters anew, the oldest first", typeof(RedriveRequest), typeof(RedriveAnswer), api.RedriveAllAsync),
    ];

    private static ImmutableArray<ControlRoute> Machine(MachineApi api) =>
    [
        Get("/version", "getVersion", "Version of server, runtime and engine", typeof(VersionInfo), api.VersionAsync) with { Scope = KeyScopes.Invoke },
        Get("/doctor", "examine", "What works on this machine, what falls back, and how to mend it", typeof(DoctorReport), api.DoctorAsync) with
        {
            Query = [new QueryParameter("full", "boolean", "Add up all receipts, not only those of the last day. Default false.")],
        },
    ];

    public static ControlRoute Get(string pattern, string operation, string summary, Type answer, Func<ControlCall, Task> handle) =>
        new("GET", pattern, KeyScopes.Admin, operation, summary, handle) { Answer = answer };

    public static ControlRoute Send(
        string method, string pattern, string operation, string summary, Type? body, Type? answer, Func<ControlCall, Task> handle) =>
        new(method, pattern, KeyScopes.Admin, operation, summary, handle) { Body = body, Answer = answer };
}
