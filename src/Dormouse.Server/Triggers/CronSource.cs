using System.Collections.Immutable;
using System.Globalization;
using System.Text.Json;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Events;

namespace Dormouse.Server.Triggers;

/// <summary>Waits for the times of a schedule. Its mark is the last time that was fired or passed over; it moves with the invocation that a time becomes.</summary>
internal sealed class CronSource(Trigger trigger, CronSchedule schedule, CronPolicy policy, ITriggerStore store, PreviousRun previous, TimeProvider time) : IEventSource
{
    /// <summary>A wall clock that was set is noticed within this time.</summary>
    private static readonly TimeSpan LookAgain = TimeSpan.FromMinutes(1);

    private readonly HashSet<string> _queued = [];
    private DateTimeOffset _mark = DateTimeOffset.Parse(trigger.Mark ?? CronKind.Text(trigger.CreatedAt), CultureInfo.InvariantCulture, DateTimeStyles.RoundtripKind);
    private InvocationId? _last = trigger.LastInvocation;

    public async Task<ImmutableArray<SourceEvent>> ReceiveAsync(int max, TimeSpan wait, CancellationToken cancellationToken)
    {
        var end = time.GetUtcNow() + wait;
        while (true)
        {
            var now = time.GetUtcNow();
            switch (CronRule.Next(policy, _mark, now, schedule.After, schedule.Before))
            {
                case CronStep.Fire fire when await MayAsync(cancellationToken):
                    return [Event(fire.Time)];
                case CronStep.Fire fire:
                    await PassAsync(fire.Time, cancellationToken);
                    break;
                case CronStep.Pass pass:
                    await PassAsync(pass.Time, cancellationToken);
                    break;
                case CronStep.Wait waits:
                    var next = waits.Until < end ? waits.Until.Value : end;
                    if (next <= now)
                    {
                        return [];
                    }

                    // Timers may fire early by less than a millisecond.
                    var pause = next - now < LookAgain ? next - now : LookAgain;
                    await Task.Delay(pause + TimeSpan.FromMilliseconds(1), time, cancellationToken);
                    break;
            }
        }
    }

    public void Queued(SourceEvent queued, InvocationId invocation)
    {
        _last = invocation;
        _queued.Add(queued.Id);
    }

    public async Task AcknowledgeAsync(IReadOnlyList<SourceEvent> events, CancellationToken cancellationToken)
    {
        foreach (var done in events)
        {
            var fired = (DateTimeOffset)done.Handle!; // Every event of this source has its time.
            if (_queued.Remove(done.Id))
            {
                _mark = fired;
            }
            else
            {
                await PassAsync(fired, cancellationToken);
            }
        }
    }

    public Task RejectAsync(SourceEvent rejected, string reason, CancellationToken cancellationToken) => AcknowledgeAsync([rejected], cancellationToken);

    public Task<long?> LagAsync(CancellationToken cancellationToken) => Task.FromResult<long?>(null);

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    private SourceEvent Event(DateTimeOffset fired)
    {
        var text = fired.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture);
        var data = JsonSerializer.SerializeToUtf8Bytes(new CronData(trigger.Name, text), TriggersJson.Default.CronData);
        return new SourceEvent(text, "/triggers/" + trigger.Name, "dormouse.cron", fired, data, "application/json") { Mark = CronKind.Text(fired), Handle = fired };
    }

    /// <summary>False when the time is to be passed over for the invocation of the time before.</summary>
    private async Task<bool> MayAsync(CancellationToken cancellationToken)
    {
        if (policy.Overlap == OverlapRuns.Allow || _last is not { } last || !await previous.IsLiveAsync(last, cancellationToken))
        {
            return true;
        }

        if (policy.Overlap == OverlapRuns.Skip)
        {
            return false;
        }

        await previous.CancelAsync(last, cancellationToken);
        return true;
    }

    private async Task PassAsync(DateTimeOffset passed, CancellationToken cancellationToken)
    {
        await store.MarkAsync(trigger.Id, CronKind.Text(passed), cancellationToken);
        _mark = passed;
    }
}
