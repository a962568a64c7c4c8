using System.Globalization;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Queues;
using Dormouse.Protocol;
using Dormouse.Protocol.Control;
using Dormouse.Protocol.Problems;
using Dormouse.Server.Control;
using Dormouse.Server.Errors;
using Dormouse.Server.Gateway;
using Dormouse.Server.Hosting.Settings;
using Dormouse.Server.Pipelines;
using Dormouse.Server.Usage;
using Microsoft.AspNetCore.Http;

namespace Dormouse.Server.Queues;

/// <summary>Where an asynchronous invocation stands, its answer, and what can be done with it.</summary>
internal sealed class QueueApi(
    IQueueStore store, QueueLoop loop, HeldItems held, QueueSignals signals, QueueViews views, QueueProgress progress, ReceiptsApi receipts, ReceiptReader reader, EndpointNames names, Lazy<PipelineReceipts> pipelines, QueuesSettings settings, TimeProvider time)
{
    private const int ListMax = 1_000;

    private const int RedriveMax = 10_000;

    private const int RedriveDefault = 1_000;

    private static readonly TimeSpan WaitMax = TimeSpan.FromSeconds(60);

    private static readonly TimeSpan NotReadyRetry = TimeSpan.FromSeconds(1);

    /// <summary>What another server runs ends without a word here: while somebody waits for it, it is looked at this often.</summary>
    private static readonly TimeSpan SharedLookInterval = TimeSpan.FromSeconds(1);

    public async Task GetAsync(ControlCall call)
    {
        if (QueueProgress.IsAsked(call.Http.Request) && (await FindAsync(call, TimeSpan.Zero))?.Item is { } watched)
        {
            await progress.WriteAsync(call, watched);
            return;
        }

        if (await WaitOfAsync(call) is not { } wait)
        {
            return;
        }

        if (await FindAsync(call, wait) is { } found)
        {
            await AnswerAsync(call, found.Item);
            return;
        }

        await receipts.GetAsync(call);
    }

    public async Task ResultAsync(ControlCall call)
    {
        if (await WaitOfAsync(call) is not { } wait)
        {
            return;
        }

        if (await FindAsync(call, wait) is not { Item: var item } found)
        {
            await NotFoundAsync(call);
            return;
        }

        call.Http.Response.Headers[DormouseHeaders.InvocationId] = item.Id.ToString();
        if (item.State.IsLive())
        {
            await Problems.WriteAsync(
                call.Http, ProblemCode.ResultNotReady, $"The invocation is {Words.Of(item.State)}. Ask again later, or wait for it with ?wait=30s.", NotReadyRetry);
            return;
        }

        if ((found.Answer ?? await store.AnswerAsync(call.Tenant, item.Id, call.Cancellation)) is not { } answer)
        {
            await Problems.WriteAsync(
                call.Http, ProblemCode.ResultMissing, $"The invocation is {Words.Of(item.State)}: {item.Reason?.TrimEnd('.') ?? "it was not answered"}. There is no answer to give.");
            return;
        }

        var response = call.Http.Response;
        response.StatusCode = answer.Status;
        foreach (var (name, value) in answer.Headers)
        {
            response.Headers.Append(name, value);
        }

        if (answer.Status is not (StatusCodes.Status204NoContent or StatusCodes.Status304NotModified))
        {
            response.ContentLength = answer.Body.Length;
            await response.Body.WriteAsync(answer.Body, call.Cancellation);
        }
    }

    public async Task CancelAsync(ControlCall call)
    {
        if (IdOf(call) is not { } id || await store.CancelAsync(call.Tenant, id, time.GetUtcNow(), call.Cancellation) is not { } item)
        {
            await NotFoundAsync(call);
            return;
        }

        loop.Cancelled(id);
        if (item.State == QueueState.Cancelled)
        {
            await AnswerAsync(call, item);
            return;
        }

        await Problems.WriteAsync(call.Http, ProblemCode.Conflict, $"The invocation has ended: it is {Words.Of(item.State)}.");
    }

    public async Task RedriveAsync(ControlCall call)
    {
        var now = time.GetUtcNow();
        if (IdOf(call) is not { } id || await store.RedriveAsync(call.Tenant, id, now, now + settings.TimeToLive, call.Cancellation) is not { } item)
        {
            await NotFoundAsync(call);
            return;
        }

        if (item.State == QueueState.Succeeded)
        {
            await Problems.WriteAsync(call.Http, ProblemCode.Conflict, "The invocation has succeeded: there is nothing to run anew.");
            return;
        }

        signals.Work();
        await AnswerAsync(call, item);
    }

    public async Task RedriveAllAsync(ControlCall call)
    {
        if (await JsonBody.ReadAsync(call.Http, ControlJson.Default.RedriveRequest) is not { } request)
        {
            return;
        }

        var limit = request.Limit ?? RedriveDefault;
        if (limit is < 1 or > RedriveMax)
        {
            await Problems.WriteAsync(call.Http, ProblemCode.RequestInvalid, $"'limit' is {limit}; allowed is a whole number from 1 to {RedriveMax}.");
            return;
        }

        if (await names.ResolveAsync(call, request.Endpoint) is not { } filter)
        {
            return;
        }

        var now = time.GetUtcNow();
        var count = await store.RedriveDeadAsync(call.Tenant, filter.Endpoint, now, now + settings.TimeToLive, limit, call.Cancellation);
        signals.Work();
        await JsonBody.WriteAsync(call.Http, new RedriveAnswer(count), ControlJson.Default.RedriveAnswer);
    }

    public async Task ListAsync(ControlCall call)
    {
        if (await call.NumberAsync("limit", 100, 1, ListMax) is not { } limit || await names.ResolveAsync(call, call.Query("endpoint")) is not { } filter)
        {
            return;
        }

        if (await call.WordAsync<QueueState>("state", Words.Of) is not (true, var state) || await call.PositionAsync() is not (true, var before))
        {
            return;
        }

        var found = await store.ListAsync(new QueueFilter(call.Tenant, filter.Endpoint, state, before, limit + 1), call.Cancellation);
        var page = found.Length > limit ? found[..limit] : found;
        var known = await names.FindAsync(page.Select(l => l.Item.Endpoint), call.Cancellation);
        await JsonBody.WriteAsync(
            call.Http,
            new QueueList([.. page.Select(l => Entry(l.Item, known[l.Item.Endpoint]))], found.Length > limit ? page[^1].Position.ToString(CultureInfo.InvariantCulture) : null),
            ControlJson.Default.QueueList);
    }

    public async Task DepthsAsync(ControlCall call)
    {
        if (await names.ResolveAsync(call, call.Query("endpoint")) is not { } filter)
        {
            return;
        }

        var depths = (await views.DepthsAsync(call.Cancellation)).Where(d => d.Tenant == call.Tenant && (filter.Endpoint is null || d.Endpoint == filter.Endpoint)).ToList();
        var known = await names.FindAsync(depths.Select(d => d.Endpoint), call.Cancellation);
        await JsonBody.WriteAsync(
            call.Http,
            new QueueDepthList([.. depths.Select(d => new QueueDepthEntry(known[d.Endpoint], d.Endpoint.ToString(), views.Info(d))).OrderBy(e => e.Endpoint, StringComparer.Ordinal)]),
            ControlJson.Default.QueueDepthList);
    }

    private static QueueEntry Entry(QueueItem item, string endpoint) => new(
        item.Id.ToString(), endpoint, item.Endpoint.ToString(), item.Request.Method, item.Request.Target, item.BodyBytes, QueueViews.Info(item));

    /// <summary>The item, when it has ended or the time is over; with its answer when that is at hand. Null when the tenant has none with the id of the address.</summary>
    private async Task<EndedInvocation?> FindAsync(ControlCall call, TimeSpan wait)
    {
        if (IdOf(call) is not { } id)
        {
            return null;
        }

        if (wait == TimeSpan.Zero)
        {
            return await ReadAsync(call, id);
        }

        using var ending = signals.Await(id);
        if (!held.Has(call.Tenant, id))
        {
            var found = await ReadAsync(call, id);
            if (found is null || !found.Item.State.IsLive())
            {
                signals.Forget(id);
                return found;
            }
        }

        var begun = time.GetTimestamp();
        for (var left = wait; left > TimeSpan.Zero; left = wait - time.GetElapsedTime(begun))
        {
            try
            {
                return await ending.Ended.WaitAsync(store.IsShared && left > SharedLookInterval ? SharedLookInterval : left, time, call.Cancellation) ?? await ReadAsync(call, id);
            }
            catch (TimeoutException)
            {
                // It runs here and will be told, the time is over, or it is looked at.
                if (store.IsShared && !held.Has(call.Tenant, id) && await ReadAsync(call, id) is var found && found?.Item.State.IsLive() != true)
                {
                    return found;
                }
            }
        }

        return await ReadAsync(call, id);
    }

    private async Task<EndedInvocation?> ReadAsync(ControlCall call, InvocationId id) => await store.FindAsync(call.Tenant, id, call.Cancellation) is { } item ? new EndedInvocation(item, null) : null;

    private async Task AnswerAsync(ControlCall call, QueueItem item)
    {
        var entry = await reader.FindAsync(call.Tenant, item.Id, call.Cancellation);
        var info = await views.InfoAsync(item, entry, call.Cancellation);
        await JsonBody.WriteAsync(call.Http, entry is null ? await pipelines.Value.WithPartsAsync(info, item, call.Cancellation) : info, ControlJson.Default.ReceiptInfo);
    }

    internal static InvocationId? IdOf(ControlCall call) => Guid.TryParseExact(call.Route("id"), "D", out var id) ? new InvocationId(id) : null;

    private static async Task<TimeSpan?> WaitOfAsync(ControlCall call)
    {
        var wait = TimeSpan.Zero;
        if (call.Query("wait") is { } text && (!Durations.TryParse(text, out wait) || wait > WaitMax))
        {
            await call.RefuseAsync($"'wait' is '{UrlText.Shown(text)}'; allowed is {Durations.Forms}, at most {Durations.Format(WaitMax)}.");
            return null;
        }

        return wait;
    }

    internal static Task NotFoundAsync(ControlCall call) => Problems.WriteAsync(
        call.Http, ProblemCode.InvocationNotFound,
        "There is no asynchronous invocation with this id: it was not sent with 'Dormouse-Mode: async', or it ended longer ago than results are kept (queues.keep).");
}
