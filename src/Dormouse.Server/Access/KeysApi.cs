using Dormouse.Protocol.Control;
using Dormouse.Protocol.Problems;
using Dormouse.Server.Control;
using Dormouse.Server.Errors;
using Microsoft.AspNetCore.Http;

namespace Dormouse.Server.Access;

/// <summary><c>/api/v1/keys</c>.</summary>
internal sealed class KeysApi(KeyService keys)
{
    public async Task ListAsync(ControlCall call) =>
        await JsonBody.WriteAsync(call.Http, await keys.ListAsync(call.Tenant, call.Cancellation), ControlJson.Default.KeyList);

    public async Task CreateAsync(ControlCall call)
    {
        if (await JsonBody.ReadAsync(call.Http, ControlJson.Default.CreateKeyRequest) is not { } request)
        {
            return;
        }

        if (KeyService.Refusal(request) is { } refusal)
        {
            await Problems.WriteAsync(call.Http, ProblemCode.SpecInvalid, refusal);
            return;
        }

        var made = await keys.CreateAsync(call.Tenant, request, call.Cancellation);
        call.Http.Response.Headers.CacheControl = "no-store";
        await JsonBody.WriteAsync(call.Http, made, ControlJson.Default.KeyInfo, StatusCodes.Status201Created);
    }

    public async Task RevokeAsync(ControlCall call)
    {
        if (await keys.RevokeAsync(call.Tenant, call.Route("id"), call.Cancellation))
        {
            call.Http.Response.StatusCode = StatusCodes.Status204NoContent;
            return;
        }

        await Problems.WriteAsync(call.Http, ProblemCode.KeyNotFound, "There is no key with this id; 'dormouse key list' shows those that there are.");
    }
}
