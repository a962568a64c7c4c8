using System.Collections.Concurrent;

namespace Dormouse.Server.Dispatch;

/// <summary>Owner of tasks that nobody awaits: it knows those that run and can wait for them. The tasks handle their own failures.</summary>
internal sealed class BackgroundTasks
{
    private readonly ConcurrentDictionary<Task, bool> _running = new();

    public void Add(Task task)
    {
        if (task.IsCompletedSuccessfully)
        {
            return;
        }

        _running[task] = true;
        task.ContinueWith(
            static (done, state) => ((ConcurrentDictionary<Task, bool>)state!).TryRemove(done, out _),
            _running, CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
    }

    public Task WhenAllAsync() => Task.WhenAll(_running.Keys);
}
