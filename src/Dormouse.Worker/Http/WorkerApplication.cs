using Dormouse.Protocol.Inference;
using Dormouse.Protocol.Problems;
using Dormouse.Worker.Running;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;

namespace Dormouse.Worker.Http;

/// <summary>All addresses of a worker, and the one place where faults become answers.</summary>
internal sealed class WorkerApplication : IHttpApplication<HttpContext>
{
    private static readonly byte[] Ready = """{"status":"ready"}"""u8.ToArray();

    /// <summary>Where a rehearsal asks; no address of a worker that does not rehearse.</summary>
    internal const string RehearsalPath = "/rehearsal";

    private const string NoMemory = "The request or its answer needs more memory than there is. Send less at once, or deploy with more --memory.";

    private Instance? _instance;
    private Instance? _rehearsal;

    internal Instance? Instance
    {
        get => Volatile.Read(ref _instance);
        set => Volatile.Write(ref _instance, value);
    }

    internal Instance? Rehearsal
    {
        get => Volatile.Read(ref _rehearsal);
        set => Volatile.Write(ref _rehearsal, value);
    }

    public HttpContext CreateContext(IFeatureCollection contextFeatures) => new DefaultHttpContext(contextFeatures);

    public void DisposeContext(HttpContext context, Exception? exception)
    {
        // A context holds nothing of its own: the features are Kestrel's, and there is no service scope.
    }

    public async Task ProcessRequestAsync(HttpContext context)
    {
        var path = context.Request.Path.Value;
        var isInference = path == "/infer";
        try
        {
            await RouteAsync(context, path);
        }
        catch (InferenceException e) when (!context.Response.HasStarted)
        {
            await Answers.WriteProblemAsync(context, e.Code, e.Message, isInference);
        }
        catch (FailedRunException e) when (!context.Response.HasStarted)
        {
            await Answers.WriteProblemAsync(context, e.Code, e.InnerException is OutOfMemoryException ? NoMemory : e.Message, isInference, e.Times);
        }
        catch (BadHttpRequestException) when (!context.Response.HasStarted)
        {
            await Answers.WriteProblemAsync(context, ProblemCode.BodyIncomplete, "The connection ended before the whole request body had come. Send it again.", isInference);
        }
        catch (OutOfMemoryException) when (!context.Response.HasStarted)
        {
            await Answers.WriteProblemAsync(context, ProblemCode.MemoryExceeded, NoMemory, isInference);
        }
        catch (OperationCanceledException) when (context.RequestAborted.IsCancellationRequested)
        {
            // The caller left: there is nobody to answer.
            context.Abort();
        }
        catch (IOException) when (context.RequestAborted.IsCancellationRequested)
        {
            context.Abort();
        }
    }

    private Task RouteAsync(HttpContext context, string? path)
    {
        var instance = Instance;
        switch (path)
        {
            case "/health" when HttpMethods.IsGet(context.Request.Method) && instance is not null:
                return Answers.WriteAsync(context, StatusCodes.Status200OK, Answers.Json, Ready, default);
            case "/infer" or "/" when !HttpMethods.IsPost(context.Request.Method):
            case "/health" when !HttpMethods.IsGet(context.Request.Method):
                throw new InferenceException(ProblemCode.MethodNotAllowed, $"{context.Request.Method} is not allowed here.");
            case "/infer" or "/" or "/health" when instance is null:
                throw new InferenceException(ProblemCode.EndpointNotReady, "This worker serves no model yet.");
            case "/infer":
                return InferEndpoint.HandleAsync(context, instance!);
            case RehearsalPath when Rehearsal is { } rehearsal:
                return InferEndpoint.HandleAsync(context, rehearsal);
            case "/":
                return PictureEndpoint.HandleAsync(context, instance!);
            default:
                throw new InferenceException(ProblemCode.RouteNotFound, $"A model has no address '{path}'; POST a picture to '/'.");
        }
    }
}
