using Dormouse.Core.Instances;

namespace Dormouse.Drivers.Tests.Support;

/// <summary>Keeps what a driver tells, in order, and lets a test wait for it.</summary>
internal sealed class RecordingObserver : IInstanceObserver
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(5);
    private readonly Lock _toldLock = new();
    private readonly List<(InstanceId Instance, object What)> _told = [];
    private readonly List<(InstanceId Instance, string Line)> _lines = [];
    private TaskCompletionSource _changed = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Stands for the end in <see cref="Told"/>.</summary>
    public sealed record GoneMark;

    public sealed record FreezeRefusal(string Reason);

    public object[] Told(InstanceId instance)
    {
        lock (_toldLock)
            return [.. _told.Where(entry => entry.Instance == instance).Select(entry => entry.What)];
    }

    public string[] Lines(InstanceId instance)
    {
        lock (_toldLock)
            return [.. _lines.Where(entry => entry.Instance == instance).Select(entry => entry.Line)];
    }

    /// <summary>The first event of a kind that is told of an instance.</summary>
    public async Task<T> WaitForAsync<T>(InstanceId instance)
    {
        await WaitUntilAsync(() => Told(instance).OfType<T>().Any(), $"{typeof(T).Name} of {instance}");
        return Told(instance).OfType<T>().First();
    }

    /// <summary>The n-th time that it says it is ready.</summary>
    public async Task<InstanceReady> WaitForReadyAsync(InstanceId instance, int count)
    {
        await WaitUntilAsync(() => Told(instance).OfType<InstanceReady>().Count() >= count, $"{count} times ready of {instance}");
        return Told(instance).OfType<InstanceReady>().ElementAt(count - 1);
    }

    public Task WaitForGoneAsync(InstanceId instance) => WaitForAsync<GoneMark>(instance);

    public Task WaitForLineAsync(InstanceId instance, string part) =>
        WaitUntilAsync(() => Lines(instance).Any(line => line.Contains(part, StringComparison.Ordinal)), $"a line with '{part}' of {instance}");

    public Task WaitForLinesAsync(InstanceId instance, int count) =>
        WaitUntilAsync(() => Lines(instance).Length >= count, $"{count} lines of {instance}");

    public void Ready(InstanceId instance, InstanceReady ready) => Add(instance, ready);

    public void Failed(InstanceId instance, StartFailure failure) => Add(instance, failure);

    public void Lost(InstanceId instance, InstanceLoss loss) => Add(instance, loss);

    public void Gone(InstanceId instance) => Add(instance, new GoneMark());

    public void FreezeRefused(InstanceId instance, string reason) => Add(instance, new FreezeRefusal(reason));

    public void Wrote(InstanceId instance, string line)
    {
        lock (_toldLock)
            _lines.Add((instance, line));
        Change();
    }

    private void Add(InstanceId instance, object what)
    {
        lock (_toldLock)
            _told.Add((instance, what));
        Change();
    }

    private void Change()
    {
        TaskCompletionSource changed;
        lock (_toldLock)
        {
            changed = _changed;
            _changed = new(TaskCreationOptions.RunContinuationsAsynchronously);
        }

        changed.SetResult();
    }

    private async Task WaitUntilAsync(Func<bool> holds, string what)
    {
        while (true)
        {
            Task changed;
            lock (_toldLock)
                changed = _changed.Task;
            if (holds())
                return;
            try
            {
                await changed.WaitAsync(Patience, TestContext.Current.CancellationToken);
            }
            catch (TimeoutException)
            {
                lock (_toldLock)
                    Assert.Fail($"Waited for {what}; told so far: {string.Join("; ", _told)}; lines: {string.Join(" / ", _lines.TakeLast(5))}");
            }
        }
    }
}
