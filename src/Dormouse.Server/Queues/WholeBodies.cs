using Dormouse.Protocol.Problems;
using Dormouse.Server.Errors;
using Dormouse.Server.Gateway;
using Microsoft.AspNetCore.Http;

namespace Dormouse.Server.Queues;

/// <summary>Bodies that are read whole before anything is done with them. Those over 1 MiB are read a few at a time: each lies in memory.</summary>
internal sealed class WholeBodies(TimeProvider time) : IDisposable
{
    /// <summary>Large bodies that are held at once; more wait to be read.</summary>
    public const int LargeAtOnceMax = 4;

    private readonly SemaphoreSlim _large = new(LargeAtOnceMax, LargeAtOnceMax);

    /// <summary>The body, or why there is none. What it holds is given back with it.</summary>
    /// <exception cref="OperationCanceledException">The caller left.</exception>
    public async Task<WholeBody> ReadAsync(HttpContext context, long limitBytes)
    {
        var body = await RequestBody.ReadAsync(context, limitBytes, time);
        if (body.IsKept || body.Problem is not null)
        {
            return new WholeBody(body, body.Kept, body.Problem, place: null);
        }

        IDisposable? place = null;
        try
        {
            place = await EnterAsync(context.RequestAborted);
            var whole = new MemoryStream();
            var problem = await ReadRestAsync(body, whole, context.RequestAborted);
            return new WholeBody(body, whole.GetBuffer().AsMemory(0, (int)whole.Length), problem, place);
        }
        catch
        {
            place?.Dispose();
            await body.DisposeAsync();
            throw;
        }
    }

    /// <summary>A place for one large body, given back when it is disposed.</summary>
    public async Task<IDisposable> EnterAsync(CancellationToken cancellationToken)
    {
        await _large.WaitAsync(cancellationToken);
        return new Place(_large);
    }

    public void Dispose() => _large.Dispose();

    /// <summary>Null when it is read.</summary>
    private static async Task<Problem?> ReadRestAsync(RequestBody body, MemoryStream whole, CancellationToken callerLeft)
    {
        await using var rest = body.Open(deadline: null);
        try
        {
            await rest.CopyToAsync(whole, callerLeft);
            return null;
        }
        catch (BadHttpRequestException fault)
        {
            var (code, detail) = BadRequests.Describe(fault);
            return body.Problem ?? new Problem(code, detail);
        }
        catch (IOException)
        {
            callerLeft.ThrowIfCancellationRequested();
            return new Problem(ProblemCode.BodyIncomplete, "The connection ended before the whole request body had come. Send it again.");
        }
    }

    private sealed class Place(SemaphoreSlim large) : IDisposable
    {
        public void Dispose() => large.Release();
    }
}

/// <summary>A body in memory, until it is disposed.</summary>
/// <param name="place">Of a large one.</param>
internal sealed class WholeBody(RequestBody body, ReadOnlyMemory<byte> bytes, Problem? problem, IDisposable? place) : IAsyncDisposable
{
    public ReadOnlyMemory<byte> Bytes => bytes;

    /// <summary>The same, and it stays when this is disposed.</summary>
    public ReadOnlyMemory<byte> Detach() => place is null ? bytes.ToArray() : bytes;

    /// <summary>Why it could not be read.</summary>
    public Problem? Problem => problem;

    public async ValueTask DisposeAsync()
    {
        place?.Dispose();
        await body.DisposeAsync();
    }
}
