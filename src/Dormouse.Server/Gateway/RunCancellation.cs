using Dormouse.Protocol;

namespace Dormouse.Server.Gateway;

/// <summary>
/// Asks an instance to end a run whose caller has left. The run's own connection stays open: its end is the end of the run, for which alone the slot is given back.
/// </summary>
internal sealed class RunCancellation : IAsyncDisposable
{
    private static readonly Uri Address = new("http://instance/");

    private readonly InvocationRun _run;
    private readonly CancellationToken _deadline;
    private readonly CancellationTokenRegistration _registration;
    private Task _asking = Task.CompletedTask;

    private RunCancellation(InvocationRun run, CancellationToken callerLeft, CancellationToken deadline)
    {
        _run = run;
        _deadline = deadline;
        _registration = callerLeft.UnsafeRegister(static state => ((RunCancellation)state!).Ask(), this);
    }

    /// <summary>Null for runs that are finished whoever leaves.</summary>
    /// <param name="deadline">Of the run: the instance is ended then, and with it this question.</param>
    public static RunCancellation? For(InvocationRun run, CancellationToken callerLeft, CancellationToken deadline) =>
        run.Invocation.Revision.Spec.Kind.EndsWithCaller ? new RunCancellation(run, callerLeft, deadline) : null;

    public async ValueTask DisposeAsync()
    {
        await _registration.DisposeAsync();
        await _asking;
    }

    private void Ask() => _asking = AskAsync();

    private async Task AskAsync()
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, Address);
        request.Headers.TryAddWithoutValidation(DormouseHeaders.Cancel, _run.Invocation.Id.ToString());
        try
        {
            using var answer = await _run.Invoker.SendAsync(request, _deadline);
        }
        catch (Exception fault) when (fault is HttpRequestException or OperationCanceledException)
        {
            // The instance is gone, or its run over its limit: either ends the run by itself.
        }
    }
}
