using System.Collections.Immutable;
using Dormouse.Core.Access;
using Dormouse.Protocol.Control;
using Dormouse.Server.Control;
using Microsoft.Extensions.DependencyInjection;

namespace Dormouse.Server.Queues;

/// <summary>Requests of asynchronous invocations: seen, and changed before they are run anew.</summary>
internal static class QueueEditRoutes
{
    private static readonly QueryParameter Before = new("before", "integer", "As it was before this edit (queue.edits); 1 = as it was accepted. Default: as it is.");

    public static ImmutableArray<ControlRoute> All(IServiceProvider services)
    {
        var api = services.GetRequiredService<QueueEditsApi>();
        return
        [
            ControlRoutes.Get("/invocations/{id}/request", "getRequest", "What the endpoint gets of an asynchronous invocation, without its body", typeof(QueuedRequestInfo), api.RequestAsync) with
            {
                Query = [Before],
            },
            ControlRoutes.Send("PATCH", "/invocations/{id}/request", "changeRequest", "Change headers and query of an invocation that ended without success; redriving it is another call", typeof(RequestPatch), typeof(ReceiptInfo), api.PatchAsync),
            new("GET", "/invocations/{id}/body", KeyScopes.Admin, "getBody", "The body of an asynchronous invocation, as it was sent", api.BodyAsync) { AnswerType = "*/*", Query = [Before] },
            ControlRoutes.Send("PUT", "/invocations/{id}/body", "replaceBody", "Replace the body of an invocation that ended without success; redriving it is another call", null, typeof(ReceiptInfo), api.PutBodyAsync),
        ];
    }
}
