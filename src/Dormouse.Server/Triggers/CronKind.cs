using System.Collections.Immutable;
using System.Globalization;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Events;
using Dormouse.Core.Queues;
using Dormouse.Server.Queues;

namespace Dormouse.Server.Triggers;

/// <summary>Times of a schedule.</summary>
internal sealed class CronKind(ITriggerStore store, IQueueStore queue, QueueLoop loop, TimeProvider time) : IEventSourceKind
{
    private static readonly TimeSpan WithinMin = TimeSpan.FromMinutes(1);

    private static readonly TimeSpan WithinMax = TimeSpan.FromDays(7);

    public const string KindName = "cron";

    public string Name => KindName;

    public ImmutableArray<SourceKey> Keys { get; } =
    [
        new("schedule", true, "cron expression of five fields, such as '0 3 * * *'"), new("zone", false, "time zone of the IANA database. Default: UTC"),
        new("missed", false, "skip, once or all: what becomes of times at which the server was away. Default: once"),
        new("missed_within", false, "older missed times are never made up for, 1m to 7d. Default: 24h"),
        new("overlap", false, "allow, skip or replace, when the invocation of the time before has not ended. Default: allow"),
    ];

    public bool IsPulled => true;

    public string? Fault(Trigger trigger)
    {
        _ = Schedule(trigger, out var fault);
        fault ??= trigger.BatchSize > 1 ? "'batch_size' must be 1 with a schedule: each time is an invocation of its own." : null;
        return fault ?? (TryPolicy(trigger, out _, out var wrong) ? null : wrong);
    }

    /// <summary>What was before a trigger is not missed.</summary>
    public string? FirstMark(DateTimeOffset now) => Text(now);

    public Task<IEventSource> OpenAsync(Trigger trigger, CancellationToken cancellationToken)
    {
        var schedule = Schedule(trigger, out var fault);
        return schedule is null || !TryPolicy(trigger, out var policy, out fault)
            ? throw new InvalidOperationException(fault)
            : Task.FromResult<IEventSource>(new CronSource(trigger, schedule, policy, store, new PreviousRun(queue, loop, trigger.Tenant, time), time));
    }

    public static string Text(DateTimeOffset time) => time.UtcDateTime.ToString("O", CultureInfo.InvariantCulture);

    /// <summary>When a trigger of this kind fires next; null = it is of another kind, or never.</summary>
    public static DateTimeOffset? NextOf(Trigger trigger) =>
        trigger is { Kind: KindName, Mark: { } mark } ? Schedule(trigger, out _)?.After(DateTimeOffset.Parse(mark, CultureInfo.InvariantCulture, DateTimeStyles.RoundtripKind)) : null;

    private static CronSchedule? Schedule(Trigger trigger, out string? fault) =>
        CronSchedule.Parse(trigger.Source.GetValueOrDefault("schedule", ""), trigger.Source.GetValueOrDefault("zone", CronSchedule.DefaultZone), out fault);

    private static bool TryPolicy(Trigger trigger, out CronPolicy policy, out string? fault)
    {
        policy = new CronPolicy(MissedRuns.Once, TimeSpan.FromHours(24), OverlapRuns.Allow);
        var (missed, overlap) = (trigger.Source.GetValueOrDefault("missed", "once"), trigger.Source.GetValueOrDefault("overlap", "allow"));
        var within = policy.MissedWithin;
        fault = missed is not ("skip" or "once" or "all") ? $"'missed' is '{ShownText.Of(missed)}'; allowed is skip, once or all."
            : overlap is not ("allow" or "skip" or "replace") ? $"'overlap' is '{ShownText.Of(overlap)}'; allowed is allow, skip or replace."
            : trigger.Source.TryGetValue("missed_within", out var text) && (!Durations.TryParse(text, out within) || within < WithinMin || within > WithinMax)
                ? $"'missed_within' is '{ShownText.Of(text)}'; allowed is {Durations.Forms}, 1m to 7d."
            : null;
        policy = new CronPolicy(
            missed switch { "skip" => MissedRuns.Skip, "all" => MissedRuns.All, _ => MissedRuns.Once }, within,
            overlap switch { "skip" => OverlapRuns.Skip, "replace" => OverlapRuns.Replace, _ => OverlapRuns.Allow });
        return fault is null;
    }
}
