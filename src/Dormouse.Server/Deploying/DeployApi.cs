using Dormouse.Core.Endpoints;
using Dormouse.Protocol.Control;
using Dormouse.Server.Control;
using Dormouse.Server.Errors;
using Microsoft.AspNetCore.Http;

namespace Dormouse.Server.Deploying;

/// <summary><c>POST /api/v1/endpoints/{name}/revisions</c>.</summary>
internal sealed class DeployApi(Deployer deployer, ICatalogue catalogue, EndpointViews views)
{
    public async Task PostAsync(ControlCall call)
    {
        if (await call.FlagAsync("wait", fallback: true) is not { } wait
            || await JsonBody.ReadAsync(call.Http, ControlJson.Default.DeployRequest) is not { } request)
        {
            return;
        }

        switch (await deployer.DeployAsync(call.Tenant, call.Route("name"), request, wait, call.Cancellation))
        {
            case Deployment.Refused refused:
                await Problems.WriteAsync(call.Http, refused.Code, refused.Detail, refused.RetryAfter);
                break;

            case Deployment.Live live:
                // Read again: verifying stored what loading the model showed.
                var stored = await catalogue.FindRevisionAsync(live.Revision.Id, call.Cancellation) ?? live.Revision;
                var info = await views.RevisionAsync(live.Entry.Endpoint, stored, call.Cancellation);
                await JsonBody.WriteAsync(call.Http, info, ControlJson.Default.RevisionInfo, StatusCodes.Status201Created);
                break;

            case Deployment.Verifying verifying:
                await JsonBody.WriteAsync(
                    call.Http, await views.RevisionAsync(verifying.Endpoint, verifying.Revision, call.Cancellation),
                    ControlJson.Default.RevisionInfo, StatusCodes.Status202Accepted);
                break;
        }
    }
}
