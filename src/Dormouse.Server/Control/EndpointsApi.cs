using System.Collections.Immutable;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Rollouts;
using Dormouse.Protocol.Control;
using Dormouse.Protocol.Problems;
using Dormouse.Server.Deploying;
using Dormouse.Server.Dispatch;
using Dormouse.Server.Errors;
using Dormouse.Server.Hosting.Settings;
using Microsoft.AspNetCore.Http;
using Endpoint = Dormouse.Core.Endpoints.Endpoint;

namespace Dormouse.Server.Control;

/// <summary>Endpoints but for deploying: list, show, traffic, rollback, stop, public, delete.</summary>
internal sealed class EndpointsApi(ICatalogue catalogue, EndpointChanges changes, EndpointViews views, DispatchService dispatch, DrainWaits waits, ProvisionedRoom room)
{
    /// <summary>Endpoints in one page, also its size when none is asked for: there were no pages at first, and callers from then take the first one for all.</summary>
    public const int PageMax = 1000;

    public async Task ListAsync(ControlCall call)
    {
        if (await call.NumberAsync("limit", PageMax, 1, PageMax) is not { } limit)
        {
            return;
        }

        // The token is the last name of the page before; the endpoint may have been deleted since.
        var after = call.Query("page_token");
        if (after is not null && EndpointName.Refusal(after) is not null)
        {
            await call.RefuseAsync("'page_token' must be the 'next_page_token' of the page before.");
            return;
        }

        await JsonBody.WriteAsync(
            call.Http, await views.PageAsync(call.Tenant, after, limit, call.Http.Request, call.Cancellation), ControlJson.Default.EndpointList);
    }

    public async Task GetAsync(ControlCall call)
    {
        if (await FindAsync(call) is { } endpoint)
        {
            await ShowAsync(call, endpoint);
        }
    }

    public async Task RevisionsAsync(ControlCall call)
    {
        if (await FindAsync(call) is not { } endpoint)
        {
            return;
        }

        var revisions = await catalogue.RevisionsAsync(endpoint.Id, call.Cancellation);
        var infos = await views.RevisionsAsync(endpoint, revisions, call.Cancellation);
        await JsonBody.WriteAsync(call.Http, new RevisionList(infos), ControlJson.Default.RevisionList);
    }

    public async Task PutTrafficAsync(ControlCall call)
    {
        if (await JsonBody.ReadAsync(call.Http, ControlJson.Default.TrafficRequest) is not { } request || await FindAsync(call) is not { } endpoint)
        {
            return;
        }

        if (request.Traffic is null)
        {
            await call.RefuseAsync("The body lacks 'traffic', weights by revision such as {\"r3\": 90, \"r4\": 10}.");
            return;
        }

        var shares = new List<TrafficShare>();
        foreach (var (name, weight) in request.Traffic)
        {
            if (!TrafficRules.TryParseRevision(name, out var number))
            {
                await Problems.WriteAsync(call.Http, ProblemCode.SpecInvalid, $"'{UrlText.Shown(name)}' is no revision; they are named r1, r2 and so on.");
                return;
            }

            shares.Add(new TrafficShare(number, weight));
        }

        if (request.Handover is not { } settings)
        {
            await ApplyAsync(call, endpoint, shares, null);
            return;
        }

        switch (HandoverRules.Apply(settings.Warm, settings.KeepOld, settings.For))
        {
            case HandoverOutcome.Refused refused:
                await Problems.WriteAsync(call.Http, ProblemCode.SpecInvalid, string.Join(' ', refused.Errors.Select(e => e.Message)));
                return;

            case HandoverOutcome.Accepted when HandoverRules.Refusal(endpoint) is { } refusal:
                await Problems.WriteAsync(call.Http, ProblemCode.Conflict, refusal);
                return;

            case HandoverOutcome.Accepted { Policy: var policy }:
                await ApplyAsync(call, endpoint, shares, policy);
                return;
        }
    }

    public async Task RollbackAsync(ControlCall call)
    {
        RollbackRequest? request = new();
        if (call.Http.Request.ContentLength is not 0 && call.Http.Request.ContentLength is not null || call.Http.Request.Headers.TransferEncoding.Count > 0)
        {
            request = await JsonBody.ReadAsync(call.Http, ControlJson.Default.RollbackRequest);
        }

        if (request is null || await FindAsync(call) is not { } endpoint)
        {
            return;
        }

        if (request.Revision is null)
        {
            if (endpoint.Handover?.State == HandoverState.Warming)
            {
                await ShowChangedAsync(call, endpoint, await changes.ApplyHandoverAsync(endpoint.Id, new HandoverDecision.End("it was rolled back by hand"), call.Cancellation));
                return;
            }

            if (endpoint.PreviousTraffic.IsEmpty)
            {
                await Problems.WriteAsync(call.Http, ProblemCode.Conflict, $"'{endpoint.Name}' has had no other traffic before; name a revision to go to.");
                return;
            }

            await ApplyAsync(call, endpoint, endpoint.PreviousTraffic, null);
            return;
        }

        if (!TrafficRules.TryParseRevision(request.Revision, out var number))
        {
            await Problems.WriteAsync(call.Http, ProblemCode.SpecInvalid, $"'{UrlText.Shown(request.Revision)}' is no revision; they are named r1, r2 and so on.");
            return;
        }

        await ApplyAsync(call, endpoint, [new TrafficShare(number, 100)], null);
    }

    public async Task StopAsync(ControlCall call)
    {
        if (await FindAsync(call) is { } endpoint)
        {
            if (endpoint.Handover is { State: HandoverState.Warming or HandoverState.Keeping })
            {
                endpoint = (await changes.ApplyHandoverAsync(endpoint.Id, new HandoverDecision.End("the endpoint was stopped"), call.Cancellation))?.Endpoint ?? endpoint;
            }

            await dispatch.StopAsync(endpoint.Id, call.Cancellation);
            await ShowAsync(call, endpoint);
        }
    }

    public async Task PatchAsync(ControlCall call)
    {
        if (await JsonBody.ReadAsync(call.Http, ControlJson.Default.EndpointPatch) is not { } patch || await FindAsync(call) is not { } endpoint)
        {
            return;
        }

        if (patch.Public is { } isPublic)
        {
            await ShowChangedAsync(call, endpoint, await changes.SetPublicAsync(endpoint.Id, isPublic, call.Cancellation));
            return;
        }

        await call.RefuseAsync("The body changes nothing; allowed is {\"public\": true} or {\"public\": false}.");
    }

    /// <summary>204 when nothing of it is left, 202 when runs are still being finished.</summary>
    public async Task DeleteAsync(ControlCall call)
    {
        if (await FindAsync(call) is not { } endpoint)
        {
            return;
        }

        var isEnded = await waits.WaitAsync(token => changes.DeleteAsync(endpoint, token), call.Cancellation);
        call.Http.Response.StatusCode = isEnded ? StatusCodes.Status204NoContent : StatusCodes.Status202Accepted;
    }

    /// <summary>Null after <c>endpoint_not_found</c> was written.</summary>
    public async Task<Endpoint?> FindAsync(ControlCall call)
    {
        var name = call.Route("name");
        if (EndpointName.Refusal(name) is null && await catalogue.FindAsync(call.Tenant, name, call.Cancellation) is { } endpoint)
        {
            return endpoint;
        }

        var known = (await catalogue.ListAsync(call.Tenant, call.Cancellation)).Select(e => e.Name);
        var near = name.Length <= EndpointName.LengthMax ? Suggestion.Nearest(name, known) : null;
        await Problems.WriteAsync(
            call.Http, ProblemCode.EndpointNotFound, $"There is no endpoint '{UrlText.Shown(name)}'.{(near is null ? "" : $" Did you mean '{near}'?")}");
        return null;
    }

    /// <summary>The endpoint as a change left it; <c>endpoint_not_found</c> when it was deleted meanwhile.</summary>
    public async Task ShowChangedAsync(ControlCall call, Endpoint endpoint, CatalogueEntry? changed)
    {
        if (changed is null)
        {
            await Problems.WriteAsync(call.Http, ProblemCode.EndpointNotFound, $"'{endpoint.Name}' was deleted meanwhile.");
            return;
        }

        await ShowAsync(call, changed.Endpoint);
    }

    /// <param name="handover">Null = the traffic changes at once.</param>
    private async Task ApplyAsync(ControlCall call, Endpoint endpoint, IReadOnlyList<TrafficShare> wished, HandoverPolicy? handover)
    {
        var revisions = await catalogue.RevisionsAsync(endpoint.Id, call.Cancellation);
        if (wished.FirstOrDefault(w => w.Weight != 0 && revisions.All(r => r.Id.Number != w.Revision)) is { Revision: > 0 } missing)
        {
            await Problems.WriteAsync(
                call.Http, ProblemCode.RevisionNotFound, $"'{endpoint.Name}' has no revision r{missing.Revision}; it has {Names(revisions)}.");
            return;
        }

        switch (TrafficRules.Check(wished, revisions))
        {
            case TrafficOutcome.Refused refused:
                await Problems.WriteAsync(call.Http, ProblemCode.SpecInvalid, string.Join(' ', refused.Errors));
                return;

            case TrafficOutcome.Accepted { Shares: var shares } when room.Refusal(endpoint, [.. revisions.Where(r => shares.Any(s => s.Revision == r.Id.Number))]) is { } refusal:
                await Problems.WriteAsync(call.Http, ProblemCode.SpecInvalid, refusal);
                return;

            case TrafficOutcome.Accepted accepted when handover is not null && Excess(handover, accepted.Shares, revisions) is { } excess:
                await Problems.WriteAsync(call.Http, ProblemCode.SpecInvalid, excess);
                return;

            case TrafficOutcome.Accepted accepted:
                await SetTrafficAsync(call, endpoint, accepted.Shares, handover);
                return;
        }
    }

    private static string? Excess(HandoverPolicy handover, ImmutableArray<TrafficShare> shares, ImmutableArray<Revision> revisions) => revisions.Any(r => !r.Spec.Kind.HasInstances)
        ? "handover is set, but a pipeline has no instances to warm. Leave it out: the traffic changes at once."
        : shares.Select(s => HandoverRules.Excess(handover, RevisionViews.Name(s.Revision), revisions.First(r => r.Id.Number == s.Revision).Spec.MaxInstances)).FirstOrDefault(e => e is not null);

    private async Task SetTrafficAsync(ControlCall call, Endpoint endpoint, ImmutableArray<TrafficShare> shares, HandoverPolicy? handover)
    {
        CatalogueEntry? changed;
        try
        {
            changed = handover is null
                ? await changes.SetTrafficAsync(endpoint.Id, shares, call.Cancellation)
                : await changes.BeginHandoverAsync(endpoint.Id, shares, handover, call.Cancellation);
        }
        catch (ArgumentException)
        {
            // The catalogue checks again inside its transaction; it was all right a moment ago.
            await Problems.WriteAsync(call.Http, ProblemCode.Conflict, $"The revisions of '{endpoint.Name}' changed meanwhile. Look at them and try again.");
            return;
        }

        await ShowChangedAsync(call, endpoint, changed);
    }

    private async Task ShowAsync(ControlCall call, Endpoint endpoint) =>
        await JsonBody.WriteAsync(call.Http, await views.DetailAsync(endpoint, call.Http.Request, call.Cancellation), ControlJson.Default.EndpointInfo);

    private static string Names(ImmutableArray<Revision> revisions) =>
        revisions.IsEmpty ? "none" : $"r{revisions[^1].Id.Number} to r{revisions[0].Id.Number}";
}
