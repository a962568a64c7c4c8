using Dormouse.Core.Packages;
using Dormouse.Protocol.Problems;
using Dormouse.Storage;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace Dormouse.Server.Errors;

/// <summary>
/// The outermost step of the pipeline: whatever escapes becomes a problem document without traces, paths or secrets, once.
/// A caller who hung up is no failure. When the answer has begun the connection is cut, so that nobody takes half an answer for a whole one.
/// </summary>
internal sealed partial class ProblemBoundary(RequestDelegate next, ILogger<ProblemBoundary> logger)
{
    /// <summary>What nginx calls "client closed request"; only ever seen in logs and metrics.</summary>
    public const int StatusCallerLeft = 499;

    public async Task InvokeAsync(HttpContext context)
    {
        try
        {
            await next(context);
        }
        catch (OperationCanceledException) when (context.RequestAborted.IsCancellationRequested)
        {
            MarkCallerLeft(context);
        }
        catch (IOException) when (context.RequestAborted.IsCancellationRequested)
        {
            MarkCallerLeft(context);
        }
        catch (ConnectionResetException)
        {
            await CallerLeaving.WhenKnownAsync(context.RequestAborted);
            MarkCallerLeft(context);
        }
        catch (BadHttpRequestException e)
        {
            var (code, detail) = BadRequests.Describe(e);
            await RefuseAsync(context, code, detail);
        }
        catch (StorageFullException e)
        {
            LogFull(e);
            await RefuseAsync(context, ProblemCode.StorageFull, "The disk of the server's data folder is full. Nothing was changed; try again when the operator has made room.");
        }
        catch (BlobsAwayException e)
        {
            LogBlobsAway(e);
            await RefuseAsync(context, ProblemCode.BlobsUnavailable, e.Message);
        }
        catch (StoreUnavailableException e)
        {
            LogAway(e);
            await RefuseAsync(context, ProblemCode.StoreUnavailable, "The server's database does not answer. Whether a change was made is not known when it broke off in the middle: look, then try again.");
        }
        catch (Exception e)
        {
            LogEscaped(e, context.Request.Method, context.Request.Path.Value ?? "");
            await RefuseAsync(context, ProblemCode.Internal, "The server failed to answer this request. Its log has the cause; trying again may help.");
        }
    }

    private static async Task RefuseAsync(HttpContext context, ProblemCode code, string detail)
    {
        if (context.Response.HasStarted)
        {
            context.Abort();
            return;
        }

        var invocation = context.Response.Headers[Protocol.DormouseHeaders.InvocationId];
        context.Response.Clear();
        if (invocation.Count > 0)
        {
            context.Response.Headers[Protocol.DormouseHeaders.InvocationId] = invocation;
        }

        await Problems.WriteAsync(context, code, detail);
    }

    private static void MarkCallerLeft(HttpContext context)
    {
        if (!context.Response.HasStarted)
        {
            context.Response.StatusCode = StatusCallerLeft;
        }
    }

    [LoggerMessage(EventId = 1002, EventName = "DiskFull", Level = LogLevel.Error, Message = "The disk of the data folder is full; requests that write are refused until there is room")]
    private partial void LogFull(Exception exception);

    [LoggerMessage(EventId = 1003, EventName = "StoreAway", Level = LogLevel.Warning, Message = "The database does not answer; requests that need it are refused until it does")]
    private partial void LogAway(Exception exception);

    [LoggerMessage(EventId = 1004, EventName = "BlobsAway", Level = LogLevel.Warning, Message = "The place that servers share for files cannot be used; uploads and deploys are refused until it can")]
    private partial void LogBlobsAway(Exception exception);

    [LoggerMessage(EventId = 1001, EventName = "RequestFailed", Level = LogLevel.Error,
        Message = "Request {Method} {Path} failed in the server; its caller got 'internal'")]
    private partial void LogEscaped(Exception exception, string method, string path);
}
