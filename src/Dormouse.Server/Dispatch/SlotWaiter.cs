namespace Dormouse.Server.Dispatch;

/// <summary>An invocation that waits for a slot. Its continuation never runs on the thread that answers it, so it may be answered under a lock.</summary>
internal sealed class SlotWaiter(RevisionDriver driver, long ticket)
{
    private readonly TaskCompletionSource<SlotResult> _answer = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public void Answer(SlotResult result) => _answer.TrySetResult(result);

    /// <summary>Waits for the answer. A caller who leaves gives up the place; an answer that won the race against it is handed out all the same.</summary>
    public async ValueTask<SlotResult> WaitAsync(CancellationToken cancellationToken)
    {
        using var leaving = cancellationToken.UnsafeRegister(
            static (state, token) =>
            {
                var waiter = (SlotWaiter)state!;
                waiter.Leave(token);
            },
            this);
        return await _answer.Task;
    }

    private void Leave(CancellationToken token)
    {
        if (driver.Leave(ticket))
        {
            _answer.TrySetCanceled(token);
        }
    }
}
