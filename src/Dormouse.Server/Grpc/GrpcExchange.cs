using System.Globalization;
using System.Net.Http.Headers;
using Dormouse.Core.Dispatch;
using Dormouse.Core.Overflow;
using Dormouse.Protocol;
using Dormouse.Server.Gateway;
using Dormouse.Server.Overflow;
using Dormouse.Server.Rollouts;

namespace Dormouse.Server.Grpc;

/// <summary>One inference message posted to an instance, or to a server like this one, as it came, and its answer's bytes.</summary>
/// <param name="capture">Takes an instance's answer down; null = nobody does.</param>
internal sealed class GrpcExchange(GrpcMessage request, MirrorCapture? capture = null) : WholeAnswerExchange
{
    private static readonly Uri InferAddress = new("http://instance/infer");
    private static readonly MediaTypeHeaderValue Protobuf = new("application/x-protobuf");

    private GrpcMessage? _body;

    /// <summary>The answer's message; null when the instance refused.</summary>
    public GrpcMessage? Answer { get; private set; }

    /// <summary>Why the instance refused.</summary>
    public Problem? Refusal { get; private set; }

    public override long BodyBytes => request.Length;

    /// <summary>The message is in memory whatever its size, so an inference can always be repeated.</summary>
    public override bool CanRepeat => true;

    /// <summary>A server like this one takes the message's bytes over HTTP as well; what another program takes is not known.</summary>
    public override bool CanOverflowTo(OverflowPolicy policy) => !policy.HasPath;

    public override async ValueTask<RunEnd?> OverflowAsync(OverflowRun run, CancellationToken deadline)
    {
        using var message = Compose(OverflowAddress.Of(run.Policy, run.Invocation.Endpoint, default, default));
        OverflowMessage.Sign(message.Headers, run);
        if (run.Invocation.Terms.Priority != QueuePriority.Normal)
        {
            message.Headers.TryAddWithoutValidation(DormouseHeaders.Priority, run.Invocation.Terms.PriorityName);
        }

        using var ending = CancellationTokenSource.CreateLinkedTokenSource(deadline, run.CallerLeft);
        var status = 0;
        try
        {
            using var response = await run.Invoker.SendAsync(message, ending.Token);
            status = (int)response.StatusCode;
            if (OverflowMessage.IsNotTaken(status, isInference: true, run))
            {
                return null;
            }

            if (!run.TryOpen())
            {
                return OverflowFault.Judge(run, isUnaccounted: true, null);
            }

            var body = await BodyAsync(response, ending.Token);
            run.Close(status, isWhole: true);
            Keep(body, response.IsSuccessStatusCode, status);
            return RunEnd.Answered.Instance;
        }
        catch (Exception fault) when (fault is HttpRequestException or IOException or OperationCanceledException)
        {
            run.Close(status, isWhole: false);
            return OverflowFault.Judge(run, isUnaccounted: false, fault);
        }
    }

    private HttpRequestMessage Compose(Uri address)
    {
        var message = new HttpRequestMessage(HttpMethod.Post, address)
        {
            Version = System.Net.HttpVersion.Version11,
            VersionPolicy = HttpVersionPolicy.RequestVersionExact,
            Content = new ReadOnlyMemoryContent(request.Memory),
        };
        message.Content.Headers.ContentType = Protobuf;
        return message;
    }

    protected override HttpRequestMessage Compose(InvocationRun run)
    {
        var invocation = run.Invocation;
        var message = Compose(InferAddress);
        message.Headers.TryAddWithoutValidation(DormouseHeaders.ModelName, invocation.Endpoint.Name);
        message.Headers.TryAddWithoutValidation(DormouseHeaders.ModelVersion, invocation.Revision.Id.Number.ToString(CultureInfo.InvariantCulture));
        return message;
    }

    protected override async ValueTask ReadBodyAsync(InvocationRun run, HttpResponseMessage response, CancellationToken deadline)
    {
        _body = await BodyAsync(response, deadline);
        capture?.Began(response);
        capture?.Add(_body.Memory.Span);
    }

    protected override void Keep(InvocationRun run, HttpResponseMessage response) => Keep(_body!, response.IsSuccessStatusCode, (int)response.StatusCode); // Read before.

    private void Keep(GrpcMessage body, bool isAnswer, int status)
    {
        if (isAnswer)
        {
            Answer = body;
            return;
        }

        using (body)
        {
            Refusal = GrpcProblems.Of(body.Memory.Span, status);
        }
    }

    private static async ValueTask<GrpcMessage> BodyAsync(HttpResponseMessage response, CancellationToken cancellationToken)
    {
        if (response.Content.Headers.ContentLength is not { } length)
        {
            var bytes = await response.Content.ReadAsByteArrayAsync(cancellationToken);
            var copied = new GrpcMessage(bytes.Length);
            bytes.CopyTo(copied.Memory);
            return copied;
        }

        if (length > int.MaxValue)
        {
            throw new IOException("The answer is larger than a gRPC message can be.");
        }

        var message = new GrpcMessage((int)length);
        try
        {
            await using var stream = await response.Content.ReadAsStreamAsync(cancellationToken);
            await stream.ReadExactlyAsync(message.Memory, cancellationToken);
            return message;
        }
        catch
        {
            message.Dispose();
            throw;
        }
    }
}
