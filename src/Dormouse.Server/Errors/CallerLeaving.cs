namespace Dormouse.Server.Errors;

/// <summary>
/// A reset connection ends the read of a body first and is known to the web server a moment later, on the same thread. A request that ends in between has its
/// rest taken in, which then fails and is logged as an error: so whoever sees the reset first waits for that moment.
/// </summary>
internal static class CallerLeaving
{
    /// <param name="callerLeft">The request's own token.</param>
    public static Task WhenKnownAsync(CancellationToken callerLeft)
    {
        if (!callerLeft.CanBeCanceled || callerLeft.IsCancellationRequested)
        {
            return Task.CompletedTask;
        }

        var known = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        callerLeft.UnsafeRegister(static known => ((TaskCompletionSource)known!).TrySetResult(), known);
        return known.Task;
    }
}
