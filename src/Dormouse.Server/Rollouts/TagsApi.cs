using Dormouse.Core.Endpoints;
using Dormouse.Core.Rollouts;
using Dormouse.Protocol.Control;
using Dormouse.Protocol.Problems;
using Dormouse.Server.Control;
using Dormouse.Server.Errors;
using Endpoint = Dormouse.Core.Endpoints.Endpoint;

namespace Dormouse.Server.Rollouts;

/// <summary><c>PUT</c> and <c>DELETE /api/v1/endpoints/{name}/tags/{tag}</c>.</summary>
internal sealed class TagsApi(ICatalogue catalogue, EndpointChanges changes, EndpointsApi endpoints)
{
    public async Task PutAsync(ControlCall call)
    {
        if (await JsonBody.ReadAsync(call.Http, ControlJson.Default.TagRequest) is not { } request)
        {
            return;
        }

        var tag = call.Route("tag");
        if (TagRules.Refusal(tag) is { } refusal)
        {
            await Problems.WriteAsync(call.Http, ProblemCode.NameInvalid, refusal);
            return;
        }

        if (!TrafficRules.TryParseRevision(request.Revision, out var number))
        {
            await Problems.WriteAsync(call.Http, ProblemCode.SpecInvalid, $"'{UrlText.Shown(request.Revision ?? "")}' is no revision; they are named r1, r2 and so on.");
            return;
        }

        if (await endpoints.FindAsync(call) is { } endpoint)
        {
            await SetAsync(call, endpoint, tag, number);
        }
    }

    public async Task DeleteAsync(ControlCall call)
    {
        if (await endpoints.FindAsync(call) is not { } endpoint)
        {
            return;
        }

        var tag = call.Route("tag");
        if (TagRules.Find(endpoint, tag) is null)
        {
            var known = endpoint.Tags.IsEmpty ? "none" : string.Join(", ", endpoint.Tags.Select(t => t.Name));
            await Problems.WriteAsync(call.Http, ProblemCode.RevisionNotFound, $"'{endpoint.Name}' has no tag '{UrlText.Shown(tag)}'; it has {known}.");
            return;
        }

        await endpoints.ShowChangedAsync(call, endpoint, await changes.SetTagAsync(endpoint.Id, tag, null, call.Cancellation));
    }

    private async Task SetAsync(ControlCall call, Endpoint endpoint, string tag, int number)
    {
        if (TagRules.Full(endpoint, tag) is { } full)
        {
            await Problems.WriteAsync(call.Http, ProblemCode.SpecInvalid, full);
            return;
        }

        var revision = await catalogue.FindRevisionAsync(new RevisionId(endpoint.Id, number), call.Cancellation);
        if (revision is not { State: RevisionState.Ready })
        {
            await (revision is null
                ? Problems.WriteAsync(call.Http, ProblemCode.RevisionNotFound, $"'{endpoint.Name}' has no revision r{number}.")
                : Problems.WriteAsync(call.Http, ProblemCode.SpecInvalid, $"Revision r{number} of '{endpoint.Name}' is {Words.Of(revision.State)}; only a ready one may have a tag."));
            return;
        }

        CatalogueEntry? changed;
        try
        {
            changed = await changes.SetTagAsync(endpoint.Id, tag, number, call.Cancellation);
        }
        catch (ArgumentException)
        {
            // The catalogue checks again inside its transaction; it was all right a moment ago.
            await Problems.WriteAsync(call.Http, ProblemCode.Conflict, $"'{endpoint.Name}' changed meanwhile. Look at it and try again.");
            return;
        }

        await endpoints.ShowChangedAsync(call, endpoint, changed);
    }
}
