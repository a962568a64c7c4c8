using System.Text;
using Dormouse.Core.Access;
using Dormouse.Protocol.Inference.Wire;
using Dormouse.Server.Gateway;
using Dormouse.Server.Routing;
using Grpc.Core;

namespace Dormouse.Server.Grpc;

/// <summary>The calls of <c>inference.GRPCInferenceService</c>. Inference messages pass as bytes; the small calls are typed.</summary>
internal sealed class InferenceService(GrpcInvocations invocations, InvocationRunner runner, ModelViews views, Repository repository, RoutingTable routes)
{
    /// <summary>Field 1 (error_message) and field 2 (infer_response) of ModelStreamInferResponse, length-delimited.</summary>
    private const byte ErrorTag = 0x0A;
    private const byte AnswerTag = 0x12;

    public static Task<ServerLiveResponse> ServerLiveAsync(ServerLiveRequest request, ServerCallContext context) =>
        Task.FromResult(new ServerLiveResponse { Live = true });

    public Task<ServerReadyResponse> ServerReadyAsync(ServerReadyRequest request, ServerCallContext context) =>
        Task.FromResult(new ServerReadyResponse { Ready = !runner.IsStopping });

    public async Task<ModelReadyResponse> ModelReadyAsync(ModelReadyRequest request, ServerCallContext context)
    {
        var route = routes.Find(GrpcInvocations.TenantOf(context), request.Name);
        await DemandAsync(context, KeyScopes.Invoke, route);
        return new ModelReadyResponse { Ready = route is not null && await views.IsReadyAsync(route, request.Version, context.CancellationToken) };
    }

    public async Task<ServerMetadataResponse> ServerMetadataAsync(ServerMetadataRequest request, ServerCallContext context)
    {
        await DemandAsync(context, KeyScopes.Invoke);
        var server = ModelViews.Server();
        return new ServerMetadataResponse { Name = server.Name, Version = server.Version, Extensions = { server.Extensions } };
    }

    public async Task<ModelMetadataResponse> ModelMetadataAsync(ModelMetadataRequest request, ServerCallContext context)
    {
        var route = routes.Find(GrpcInvocations.TenantOf(context), request.Name);
        await DemandAsync(context, KeyScopes.Invoke, route);
        if (route is null)
        {
            throw GrpcProblems.Exception(Problem.EndpointNotFound(request.Name));
        }

        var (revision, problem) = await views.ResolveAsync(route, request.Version, context.CancellationToken);
        if (revision is null || ModelViews.InterfaceOf(revision) is not { } model)
        {
            throw GrpcProblems.Exception(problem ?? ModelViews.NotLoadedYet(route.Endpoint.Name));
        }

        var metadata = await views.MetadataAsync(route, model, context.CancellationToken);
        return new ModelMetadataResponse
        {
            Name = metadata.Name,
            Versions = { metadata.Versions },
            Platform = metadata.Platform,
            Inputs = { metadata.Inputs.Select(Tensor) },
            Outputs = { metadata.Outputs.Select(Tensor) },
        };
    }

    public async Task<GrpcMessage> ModelInferAsync(GrpcMessage request, ServerCallContext context)
    {
        using (request)
        {
            var outcome = await invocations.InvokeAsync(request, context);
            if (outcome.Afterwards is { } afterwards)
            {
                context.GetHttpContext().Response.OnCompleted(() =>
                {
                    afterwards();
                    return Task.CompletedTask;
                });
            }

            if (outcome.HasCallerLeft)
            {
                throw new RpcException(new Status(StatusCode.Cancelled, "The caller left."));
            }

            if (outcome.Invocation is { } invocation)
            {
                await context.WriteResponseHeadersAsync(GrpcInvocations.Headers(invocation, invocation.Receipt));
            }

            if (outcome.Queued is { } queued)
            {
                await context.WriteResponseHeadersAsync(GrpcInvocations.Headers(queued, outcome.IsKnown));
            }

            return outcome.Answer ?? throw GrpcProblems.Exception(Failure(outcome), outcome.Invocation?.Id);
        }
    }

    /// <summary>Answers message by message, in order. What goes wrong with one is said in its answer, and the stream goes on.</summary>
    public async Task ModelStreamInferAsync(
        IAsyncStreamReader<GrpcMessage> requests, IServerStreamWriter<GrpcMessage> responses, ServerCallContext context)
    {
        while (await requests.MoveNext(context.CancellationToken))
        {
            using var request = requests.Current;
            var outcome = await invocations.InvokeAsync(request, context);
            if (outcome.HasCallerLeft)
            {
                return;
            }

            try
            {
                await responses.WriteAsync(
                    outcome.Answer is { } answer ? answer.WithPrefix(Prefix(AnswerTag, answer.Length)) : Error(Failure(outcome).Detail), context.CancellationToken);
            }
            finally
            {
                outcome.Afterwards?.Invoke();
            }
        }
    }

    public async Task<RepositoryIndexResponse> RepositoryIndexAsync(RepositoryIndexRequest request, ServerCallContext context)
    {
        await DemandAsync(context, KeyScopes.Invoke);
        var index = await views.IndexAsync(GrpcInvocations.TenantOf(context), request.Ready, context.CancellationToken);
        var rows = index.Select(row => new RepositoryIndexResponse.Types.ModelIndex
        {
            Name = row.Name,
            Version = row.Version,
            State = row.State,
            Reason = row.Reason,
        });
        return new RepositoryIndexResponse { Models = { rows } };
    }

    public async Task<RepositoryModelLoadResponse> RepositoryModelLoadAsync(RepositoryModelLoadRequest request, ServerCallContext context)
    {
        await DemandAsync(context, KeyScopes.Admin);
        if (request.Parameters.Keys.FirstOrDefault(RepositoryRequest.IsRefused) is { } parameter)
        {
            throw GrpcProblems.Exception(RepositoryRequest.NotSupported(parameter));
        }

        await ChangeAsync(request.ModelName, context, repository.LoadAsync);
        return new RepositoryModelLoadResponse();
    }

    public async Task<RepositoryModelUnloadResponse> RepositoryModelUnloadAsync(RepositoryModelUnloadRequest request, ServerCallContext context)
    {
        await DemandAsync(context, KeyScopes.Admin);
        await ChangeAsync(request.ModelName, context, repository.UnloadAsync);
        return new RepositoryModelUnloadResponse();
    }

    private static Problem Failure(in GrpcOutcome outcome) =>
        outcome.Problem ?? throw new InvalidOperationException("A message without an answer has a problem.");

    private static ModelMetadataResponse.Types.TensorMetadata Tensor(Dormouse.Protocol.Inference.TensorInfo tensor) =>
        new() { Name = tensor.Name, Datatype = tensor.Datatype, Shape = { tensor.Shape } };

    private static GrpcMessage Error(string detail)
    {
        var text = Encoding.UTF8.GetBytes(detail);
        var message = new GrpcMessage(text.Length) { Prefix = Prefix(ErrorTag, text.Length) };
        text.CopyTo(message.Memory);
        return message;
    }

    /// <summary>Tag and length of a length-delimited field.</summary>
    private static byte[] Prefix(byte tag, int length)
    {
        Span<byte> prefix = stackalloc byte[6];
        prefix[0] = tag;
        var used = 1;
        var rest = (uint)length;
        while (rest >= 0x80)
        {
            prefix[used++] = (byte)(rest | 0x80);
            rest >>= 7;
        }

        prefix[used++] = (byte)rest;
        return prefix[..used].ToArray();
    }

    private async ValueTask DemandAsync(ServerCallContext context, KeyScopes needed, EndpointRoute? route = null)
    {
        if (await invocations.CheckAsync(context, needed, route) is { } problem)
        {
            throw GrpcProblems.Exception(problem);
        }
    }

    private async Task ChangeAsync(string name, ServerCallContext context, Func<EndpointRoute, CancellationToken, Task<Problem?>> change)
    {
        var route = routes.Find(GrpcInvocations.TenantOf(context), name);
        if ((route is null ? Problem.EndpointNotFound(name) : await change(route, context.CancellationToken)) is { } problem)
        {
            throw GrpcProblems.Exception(problem);
        }
    }
}
