using System.Globalization;
using System.Text.Json;
using Dormouse.Core;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Events;
using Dormouse.Protocol.Control;
using Dormouse.Protocol.Problems;
using Dormouse.Server.Control;
using Dormouse.Server.Errors;
using Dormouse.Server.Queues;
using Dormouse.Server.Routing;
using Dormouse.Server.Telemetry;
using Microsoft.AspNetCore.Http;

namespace Dormouse.Server.Triggers;

/// <summary><c>/api/v1/triggers</c>.</summary>
internal sealed class TriggersApi(ITriggerStore store, ICatalogue catalogue, RoutingTable routes, Lazy<EventKinds> kinds, TriggerLoop loop, TriggerMetrics metrics, QueueFeed feed, IIdSource ids, TimeProvider time)
{
    public async Task ListAsync(ControlCall call)
    {
        var triggers = await store.ListAsync(call.Tenant, call.Cancellation);
        var endpoint = call.Query("endpoint");
        await JsonBody.WriteAsync(
            call.Http, new TriggerList([.. triggers.Where(t => endpoint is null || t.Endpoint == endpoint).Select(t => TriggerViews.Info(t, metrics.LagOf(t.Id)))]), ControlJson.Default.TriggerList);
    }

    public async Task GetAsync(ControlCall call)
    {
        if (await FindAsync(call) is { } trigger)
        {
            await ShowAsync(call, trigger);
        }
    }

    /// <summary>Makes it, or changes it to what is asked for. What its source remembers stays unless its kind or source changes.</summary>
    public async Task PutAsync(ControlCall call)
    {
        if (await JsonBody.ReadAsync(call.Http, ControlJson.Default.TriggerRequest) is not { } request)
        {
            return;
        }

        var name = call.Route("name");
        if (EndpointName.LabelRefusal(name) is { } badName)
        {
            await Problems.WriteAsync(call.Http, ProblemCode.NameInvalid, badName);
            return;
        }

        var now = time.GetUtcNow();
        var made = new Trigger { Id = new TriggerId(ids.NewId()), Tenant = call.Tenant, Name = name, Kind = request.Kind, Endpoint = request.Endpoint, CreatedAt = now };
        var wanted = new TriggerCheck(kinds.Value).Judge(request, made, out var faults);
        if (await EndpointFaultAsync(call, request) is { } unfit)
        {
            faults = faults.Add(unfit);
        }

        if (wanted is null || !faults.IsEmpty)
        {
            await Problems.WriteAsync(call.Http, ProblemCode.SpecInvalid, string.Join(' ', faults));
            return;
        }

        wanted = wanted with { Mark = kinds.Value.Find(wanted.Kind)?.FirstMark(now), IsPaused = request.Paused ?? false };
        if (await store.AddAsync(wanted, call.Cancellation))
        {
            await loop.ChangedAsync(wanted);
            await ShowAsync(call, wanted, StatusCodes.Status201Created);
            return;
        }

        await ChangeAsync(call, current => Changed(current, wanted) with { IsPaused = request.Paused ?? current.IsPaused });
    }

    public Task PauseAsync(ControlCall call) => ChangeAsync(call, t => t with { IsPaused = true });

    /// <summary>Times of a schedule that passed meanwhile are not missed ones.</summary>
    public Task ResumeAsync(ControlCall call) => ChangeAsync(
        call, t => t.IsPaused ? t with { IsPaused = false, Mark = kinds.Value.Find(t.Kind)?.FirstMark(time.GetUtcNow()) ?? t.Mark } : t);

    public async Task DeleteAsync(ControlCall call)
    {
        if (await store.RemoveAsync(call.Tenant, call.Route("name"), call.Cancellation) is { } removed)
        {
            await loop.RemovedAsync(removed.Id);
            call.Http.Response.StatusCode = StatusCodes.Status204NoContent;
            return;
        }

        await NotFoundAsync(call);
    }

    /// <summary>Fires it once, whatever its source and its filter say.</summary>
    public async Task RunAsync(ControlCall call)
    {
        if (await FindAsync(call) is not { } trigger)
        {
            return;
        }

        var now = time.GetUtcNow();
        var text = now.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture);
        var data = JsonSerializer.SerializeToUtf8Bytes(new CronData(trigger.Name, text), TriggersJson.Default.CronData);
        var by = new SourceEvent(ids.NewId().ToString("D"), "/triggers/" + trigger.Name, "dormouse.run", now, data, "application/json");
        var outcome = await feed.EnqueueAsync(new EventInput(trigger).Compose([by], now), call.Cancellation);
        if (outcome is FeedOutcome.Queued queued)
        {
            await JsonBody.WriteAsync(call.Http, new EventsAnswer([queued.Invocation.ToString()], 0), ControlJson.Default.EventsAnswer, StatusCodes.Status202Accepted);
            return;
        }

        var (code, reason) = outcome switch
        {
            FeedOutcome.Full full => (ProblemCode.QueueFull, full.Reason),
            FeedOutcome.NoEndpoint gone => (ProblemCode.EndpointNotFound, gone.Reason),
            FeedOutcome.Refused refused => (refused.Code, refused.Reason),
            FeedOutcome.Away away => (ProblemCode.QueueUnavailable, away.Reason),
            _ => throw new InvalidOperationException("What is not queued has a reason."),
        };
        await Problems.WriteAsync(call.Http, code, $"Nothing was queued: {reason}.");
    }

    /// <summary>A trigger of nobody would fail at each event, and only its log would say so. Null when the endpoint is there and can take what the trigger makes, or its name is none.</summary>
    private async Task<string?> EndpointFaultAsync(ControlCall call, TriggerRequest request)
    {
        if (EndpointName.Refusal(request.Endpoint) is not null)
        {
            return null;
        }

        if (routes.Find(call.Tenant, request.Endpoint) is not { } route)
        {
            // It may have been made a moment ago by another server.
            return await catalogue.FindAsync(call.Tenant, request.Endpoint, call.Cancellation) is null
                ? $"'endpoint' is '{ShownText.Of(request.Endpoint)}', which there is not; deploy it first, or name one that 'dormouse list' shows."
                : null;
        }

        return request.BatchSize > 1 && route.Revisions is [var revision, ..] && revision.Spec.Kind.RunsModels
            ? $"'batch_size' is {request.BatchSize}; allowed is 1 for a model, which gets the tensors of one event. Its invocations can share runs ('dormouse deploy --batch-max')."
            : null;
    }

    private static Trigger Changed(Trigger current, Trigger wanted)
    {
        var isSameSource = current.Kind == wanted.Kind && current.Source.SequenceEqual(wanted.Source);
        return current with
        {
            Kind = wanted.Kind,
            Endpoint = wanted.Endpoint,
            Source = wanted.Source,
            Filter = wanted.Filter,
            Input = wanted.Input,
            BatchSize = wanted.BatchSize,
            BatchWindow = wanted.BatchWindow,
            Mark = isSameSource ? current.Mark : wanted.Mark,
        };
    }

    private async Task ChangeAsync(ControlCall call, Func<Trigger, Trigger> change)
    {
        if (await store.ChangeAsync(call.Tenant, call.Route("name"), change, call.Cancellation) is { } changed)
        {
            await loop.ChangedAsync(changed);
            await ShowAsync(call, changed);
            return;
        }

        await NotFoundAsync(call);
    }

    private async Task<Trigger?> FindAsync(ControlCall call)
    {
        if (await store.FindAsync(call.Tenant, call.Route("name"), call.Cancellation) is { } trigger)
        {
            return trigger;
        }

        await NotFoundAsync(call);
        return null;
    }

    private Task ShowAsync(ControlCall call, Trigger trigger, int status = StatusCodes.Status200OK) =>
        JsonBody.WriteAsync(call.Http, TriggerViews.Info(trigger, metrics.LagOf(trigger.Id)), ControlJson.Default.TriggerInfo, status);

    private static Task NotFoundAsync(ControlCall call) =>
        Problems.WriteAsync(call.Http, ProblemCode.TriggerNotFound, "There is no trigger of this name; 'dormouse trigger list' shows those that there are.");
}
