using System.Globalization;
using Dormouse.Core.Access;
using Dormouse.Core.Endpoints;
using Dormouse.Server.Access;
using Dormouse.Server.Gateway;
using Dormouse.Server.Routing;
using Grpc.AspNetCore.Server;
using Grpc.Core;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;

namespace Dormouse.Server.Grpc;

/// <summary>
/// The first look at a gRPC call, before a byte of its message is read: who has no valid key is refused, except where the message may name a public endpoint;
/// what others send is bounded by a <see cref="MessageReader"/>. The calls themselves check again, then knowing the endpoint.
/// </summary>
internal sealed class CallGuard(AccessGate gate, RoutingTable routes, MessageMemory memory, GatewaySettings settings, TimeProvider time)
{
    /// <summary>Calls other than inferences say a name and little else.</summary>
    private const long SmallMessageBytesMax = 64 << 10;

    /// <summary>A message has a few bytes of framing before it.</summary>
    private const long PrefixBytes = 5;

    public void Watch(EndpointBuilder call)
    {
        var next = call.RequestDelegate;
        call.RequestDelegate = next is null ? null : context => InvokeAsync(context, next);
    }

    private async Task InvokeAsync(HttpContext context, RequestDelegate next)
    {
        if (context.GetEndpoint()?.Metadata.GetMetadata<GrpcMethodMetadata>()?.Method is not { } method)
        {
            // A call that there is not: it is told so, unread.
            await next(context);
            return;
        }

        var isInference = method.ServiceName == InferenceMethods.ServiceName;
        var needsKey = isInference && !InferenceMethods.IsOpen(method.Name);
        var tenant = GrpcInvocations.TenantOf(context.Request.Headers[GrpcInvocations.TenantHeader].ToString());
        var refusal = needsKey ? await RefusalAsync(context, tenant) : null;
        if (refusal is not null && !(InferenceMethods.MayBePublic(method.Name) && routes.HasPublic(tenant)))
        {
            Refuse(context.Response, refusal);
            return;
        }

        using var reader = new MessageReader(
            context.Request.BodyReader,
            new MessageRules(
                InferenceMethods.IsInference(method.Name) ? settings.BodyLimitBytes + PrefixBytes : SmallMessageBytesMax,
                HasKey: needsKey && refusal is null,
                MayPause: method.Type is MethodType.ClientStreaming or MethodType.DuplexStreaming),
            memory, time);
        context.Features.Set<IRequestBodyPipeFeature>(reader);
        await next(context);
    }

    private async ValueTask<AccessResult.Refused?> RefusalAsync(HttpContext context, TenantId tenant) =>
        await gate.CheckAsync(context.Request.Headers.Authorization.ToString(), KeyScopes.Invoke, tenant, isPublic: false) as AccessResult.Refused;

    /// <summary>An answer of trailers alone, which in this form are the headers.</summary>
    private static void Refuse(HttpResponse response, AccessResult.Refused refusal)
    {
        response.ContentType = "application/grpc";
        response.Headers["grpc-status"] = ((int)GrpcProblems.StatusOf(refusal.Code)).ToString(CultureInfo.InvariantCulture);
        response.Headers["grpc-message"] = Uri.EscapeDataString(refusal.Detail);
        response.Headers[GrpcProblems.CodeTrailer] = refusal.Code.Code;
    }
}
