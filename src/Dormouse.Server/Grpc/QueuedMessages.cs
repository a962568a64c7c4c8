using Dormouse.Core.Endpoints;
using Dormouse.Core.Queues;
using Dormouse.Protocol.Inference;
using Dormouse.Protocol.Inference.Wire;
using Dormouse.Protocol.Problems;
using Dormouse.Server.Gateway;
using Dormouse.Server.Hosting.Settings;
using Dormouse.Server.Queues;
using Dormouse.Server.Routing;
using Google.Protobuf;
using Grpc.Core;

namespace Dormouse.Server.Grpc;

/// <summary>
/// Inference messages that are to be queued. Their answer has no outputs: its id is the invocation's, and its parameter <c>dormouse_state</c> says that it is one of a queue. What the model
/// answered is fetched over HTTP, as the bytes of a <c>ModelInferResponse</c>.
/// </summary>
internal sealed class QueuedMessages(QueueIntake intake, QueuesSettings settings, InvocationParts parts)
{
    private const string StateParameter = "dormouse_state";

    /// <param name="terms">Priority and deadline as they were read already.</param>
    public async ValueTask<GrpcOutcome> AcceptAsync(GrpcMessage request, ModelRoute model, EndpointRoute route, CallerTerms terms, ServerCallContext context)
    {
        var headers = context.GetHttpContext().Request.Headers;
        if (!QueueTerms.TryRead(headers, settings, out var wishes, out var wrong))
        {
            return Refused(wrong);
        }

        if (request.Length > settings.BodyLimitBytes)
        {
            return Refused(intake.TooLarge(new Problem(ProblemCode.BodyTooLarge, "")));
        }

        if (await intake.RefusalAsync(route, terms, wishes, context.CancellationToken) is { } refusal)
        {
            return Refused(refusal);
        }

        var version = model.Version.Length > 0 ? model.Version : headers.TryGetValue(Protocol.DormouseHeaders.Revision, out var named) ? named.ToString() : null;
        var message = StoredRequest.Message;
        var item = intake.Compose(new InvocationId(parts.Ids.NewId()), route, new QueuedRequest("POST", null, version, [.. message.Headers]), terms, wishes, request.Length);
        var outcome = await intake.StoreAsync(item, request.Memory, wishes.Key, context.CancellationToken);
        return outcome.Item is { } queued
            ? new GrpcOutcome(Answer(model, queued), null, null) { Queued = queued.Id, IsKnown = outcome.IsKnown }
            : Refused(outcome.Problem ?? throw new InvalidOperationException("What is not queued has a problem."));
    }

    private static GrpcMessage Answer(ModelRoute model, QueueItem item)
    {
        var answer = new ModelInferResponse
        {
            ModelName = model.Name,
            ModelVersion = model.Version,
            Id = item.Id.ToString(),
            Parameters = { [StateParameter] = new InferParameter { StringParam = Words.Of(item.State) } },
        };
        var message = new GrpcMessage(answer.CalculateSize());
        answer.WriteTo(message.Memory.Span);
        return message;
    }

    private static GrpcOutcome Refused(Problem problem) => new(null, problem, null);
}
