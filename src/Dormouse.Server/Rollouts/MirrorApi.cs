using Dormouse.Core.Endpoints;
using Dormouse.Core.Rollouts;
using Dormouse.Protocol.Control;
using Dormouse.Protocol.Problems;
using Dormouse.Server.Control;
using Dormouse.Server.Errors;

namespace Dormouse.Server.Rollouts;

/// <summary><c>PUT</c> and <c>DELETE /api/v1/endpoints/{name}/mirror</c>.</summary>
internal sealed class MirrorApi(ICatalogue catalogue, EndpointChanges changes, EndpointsApi endpoints)
{
    public async Task PutAsync(ControlCall call)
    {
        if (await JsonBody.ReadAsync(call.Http, ControlJson.Default.MirrorRequest) is not { } request)
        {
            return;
        }

        if (!TrafficRules.TryParseRevision(request.Revision, out var number))
        {
            await Problems.WriteAsync(call.Http, ProblemCode.SpecInvalid, $"'{UrlText.Shown(request.Revision ?? "")}' is no revision; they are named r1, r2 and so on.");
            return;
        }

        if (await endpoints.FindAsync(call) is not { } endpoint)
        {
            return;
        }

        var mirror = new Mirror(number, request.Percent, request.Tolerance ?? MirrorRules.ToleranceByDefault);
        var revision = await catalogue.FindRevisionAsync(new RevisionId(endpoint.Id, number), call.Cancellation);
        if (MirrorRules.Errors(mirror, revision) is { IsEmpty: false } errors)
        {
            await Problems.WriteAsync(call.Http, revision is null ? ProblemCode.RevisionNotFound : ProblemCode.SpecInvalid, string.Join(' ', errors));
            return;
        }

        CatalogueEntry? changed;
        try
        {
            changed = await changes.SetMirrorAsync(endpoint.Id, mirror, call.Cancellation);
        }
        catch (ArgumentException)
        {
            // The catalogue checks again inside its transaction; it was all right a moment ago.
            await Problems.WriteAsync(call.Http, ProblemCode.Conflict, $"'{endpoint.Name}' changed meanwhile. Look at it and try again.");
            return;
        }

        await endpoints.ShowChangedAsync(call, endpoint, changed);
    }

    public async Task DeleteAsync(ControlCall call)
    {
        if (await endpoints.FindAsync(call) is { } endpoint)
        {
            await endpoints.ShowChangedAsync(call, endpoint, await changes.SetMirrorAsync(endpoint.Id, null, call.Cancellation));
        }
    }
}
