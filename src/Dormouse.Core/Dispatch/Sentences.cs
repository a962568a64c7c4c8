using System.Globalization;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Instances;
using Dormouse.Core.Scaling;

namespace Dormouse.Core.Dispatch;

/// <summary>What an engine tells people: reasons of scaling changes and details of refusals, with their numbers.</summary>
internal static class Sentences
{
    public static string Started(int queued, in InstanceCounts before, int concurrency, StartCause cause) => before.Live > 0
        ? $"{queued} waiting, {before.Running} running on {Instances(before.Ready)} of {Slots(concurrency)}{Coming(before.Starting)}"
        : $"{queued} waiting and none runs: {Why(cause)}";

    /// <summary>Where instances have no limit of their own.</summary>
    public static string StartedForExcess(int queued, in InstanceCounts before, int target) =>
        $"{queued} waiting, {before.Running} running on {Instances(before.Ready)}, target {target} an instance{Coming(before.Starting)}";

    public static string StartedForMinimum(int min, int live) => $"min-instances is {min}, {live} there";

    public static string StartedForProvisioned(int provisioned, int live) => $"{Instances(provisioned)} provisioned, {live} there";

    public static string StartedForFloor(in InstanceFloor floor, int live) => $"floor of {floor.Instances} {floor.Window}, {live} there";

    public static string StartedForInitial(int initial, int live) => $"initial_instances is {initial}, {live} there";

    public static string StartedForStandby(in Standby standby, int live) =>
        $"{Instances(standby.Instances)} {(standby.IsNext ? "to be ready before the traffic comes" : "kept for a way back after the traffic went")}, {live} there";

    public static string StartedForExpected(TimeSpan quiet, in KeepAlivePlan plan) => $"quiet for {Durations.Words(quiet)} and an invocation is expected: {plan.Why}";

    public static string StartedForSpare(int spare, in InstanceCounts before, int concurrency) =>
        $"{Instances(spare)} spare above {before.Running} running on {Instances(before.Ready)} of {Slots(concurrency)}{Coming(before.Starting)}";

    public static string StartedForLoad(LoadTarget load, int live) => string.Create(
        CultureInfo.InvariantCulture, $"load of {load.Average:0.##}{(load.IsPerSecond ? " calls a second" : "")} on average, target {load.TargetPerInstance:0.##} an instance: {Instances(load.Instances)}, {live} there");

    public static string NoRoomForSpare() => "spare capacity is wanted, but the machine has no room to spare";

    /// <summary>A start is not admitted yet.</summary>
    public static string Held(InstanceId instance, HoldReason reason) => $"{instance} waits: {Lacks(reason)}";

    /// <summary>The limit of runs at once was found to be another one.</summary>
    public static string LimitChanged(in LimitChange change) => $"concurrency limit {change.From} → {change.To}: " + change switch
    {
        { IsAfterTimeOut: true } => "a run took as long as timeout allows",
        { Unloaded: { } unloaded } => $"a run takes {Durations.Words(change.Loaded)} with the whole limit in use, {Durations.Words(unloaded)} with half of it",
        _ => $"a run takes {Durations.Words(change.Loaded)}",
    };

    public static string NoRoomForExpected() => "an invocation is expected, but the machine has no room to spare";

    public static string Idle(TimeSpan idle, in KeepAlivePlan plan) =>
        $"idle for {Durations.Words(idle)} (keep-alive {Durations.Words(plan.Keep)}{(plan.Why.Length == 0 ? "" : ": ")}{plan.Why})";

    public static string Frozen(string idle, TimeSpan frozenFor) => $"{idle}; frozen for at most {Durations.Words(frozenFor)}";

    public static string FrozenLongEnough(InstanceId instance, TimeSpan frozen) => $"{instance} was frozen for {Durations.Words(frozen)} and nobody called";

    public static string FreezeRefused(InstanceId instance) => $"{instance} could not be frozen here ('dormouse doctor' says why) and was stopped";

    public static string LostFrozen(InstanceId instance, InstanceLoss loss) => $"{instance}, which was frozen, ended: {loss.Detail}";

    public static string ThawTimedOut(InstanceId instance, TimeSpan limit) => $"{instance} was not thawed within {Durations.Words(limit)}";

    public static string ThawFailed(InstanceId instance, string reason) => $"{instance} could not be thawed: {reason}";

    public static string NotNeeded() => "nobody waits for it any more";

    public static string Drained(DrainReason reason) => reason switch
    {
        DrainReason.Stopped => "the endpoint was stopped; the next call starts it again",
        DrainReason.Unloaded => "the endpoint was unloaded",
        _ => "drained: no traffic comes any more",
    };

    public static string Retired() => "the endpoint is deleted or the server stops";

    public static string Evicted(TimeSpan idle) => $"idle for {Durations.Words(idle)} and the machine needed its room";

    public static string GaveWay(int running) =>
        $"another endpoint has waited {Durations.Words(MachineArbiter.Turn)} for room with nothing that serves: finishes {running} running and goes";

    public static string Thawed(int count, string reason) => $"{reason}; {Instances(count)} thawed";

    public static string RunTimedOut(InstanceId instance, TimeSpan limit) => $"a run on {instance} exceeded its limit of {Durations.Words(limit)}";

    public static string Suspect(InstanceId instance) => $"{instance} broke a connection";

    public static string Lost(InstanceId instance, InstanceLoss loss) => loss.Kind switch
    {
        InstanceLossKind.MemoryExceeded => $"{instance} exceeded its memory: {loss.Detail}",
        InstanceLossKind.Killed => $"{instance} was killed from outside: {loss.Detail}",
        InstanceLossKind.LauncherLost => $"{instance} ended with the launcher: {loss.Detail}",
        _ => $"{instance} ended unexpectedly: {loss.Detail}",
    };

    public static string StartFailed(InstanceId instance, StartFailure failure) => $"{instance} did not start: {failure.Reason}";

    public static string StartTimedOut(InstanceId instance, TimeSpan limit) => $"{instance} was not ready within {Durations.Words(limit)}";

    public static string StartTooSlow(TimeSpan limit) => $"the last instance was not ready within the start time-out of {Durations.Words(limit)}";

    public static string QueueFull(int queued, int limit, long bytes, long limitBytes, long bodyBytes) => queued >= limit
        ? $"The queue is full ({queued} of {limit} invocations). Retry later or raise queue_limit."
        : $"The queue is full ({Sizes.Format(bytes)} of {Sizes.Format(limitBytes)} of bodies; this one has {Sizes.Format(bodyBytes)}). Retry later or raise queue_limit_bytes.";

    public static string QueueTimeout(TimeSpan waited, int instances, int concurrency, int queued) =>
        $"Waited {Durations.Words(waited)} for a slot; {Instances(instances)} of {Slots(concurrency)} had none free and {queued} more wait. "
        + "Retry later, or raise queue_timeout or max_instances.";

    public static string CallerDeadlinePassed() => "The caller's deadline had passed when the request came. Nothing was run.";

    public static string CallerDeadlineShort(TimeSpan left, TimeSpan wait) =>
        $"The caller's deadline leaves {Durations.Words(left)}, and the wait for a slot is about {Durations.Words(wait)} now. Nothing was run. Retry later or with a later deadline.";

    public static string CallerDeadlineReached(TimeSpan waited) =>
        $"The caller's deadline was reached after {Durations.Words(waited)} of waiting for a slot. Nothing was run. Retry later or with a later deadline.";

    public static string NoCapacity(TimeSpan waited, HoldReason reason) =>
        $"Waited {Durations.Words(waited)}; {Lacks(reason)}. Retry later, or " + reason switch
        {
            HoldReason.Memory => "lower memory or the load of other endpoints.",
            HoldReason.Cpu => "lower reserve_cpu or the load of other endpoints, or raise machine.cpu.",
            HoldReason.StartsAtOnce => "raise machine.starts_at_once.",
            _ => "raise machine.starts_per_second.",
        };

    public static string QueueTimeoutShort(TimeSpan left, TimeSpan wait) =>
        $"The wait for a slot is about {Durations.Words(wait)} now, longer than queue_timeout, of which {Durations.Words(left)} are left. Retry later, or raise queue_timeout or max_instances.";

    public static string NotReadyInTime(TimeSpan waited) =>
        $"Waited {Durations.Words(waited)} and no instance became ready. Retry later or raise queue_timeout.";

    public static string StartLimit(TimeSpan limit) =>
        $"No instance became ready within the start time-out of {Durations.Words(limit)}. Retry later or raise start_timeout.";

    public static string StartsFail(StartFailure failure, int failures, TimeSpan wait) =>
        $"No instance can start: {failure.Reason} ({(failures == 1 ? "1 failure" : $"{failures} failures in a row")}; the next try is possible in {Durations.Words(wait)}).";

    public static string NoMore() => "The endpoint is deleted or the server stops; nothing more is accepted.";

    private static string Why(StartCause cause) => cause switch
    {
        StartCause.First => "first call",
        StartCause.Rollout => "first call of a new revision",
        StartCause.Crash => "the last instance ended unexpectedly",
        StartCause.Eviction => "the machine had taken the last instance back",
        _ => "first call since it fell to zero",
    };

    private static string Lacks(HoldReason reason) => reason switch
    {
        HoldReason.Memory => "the machine has no memory free to start an instance",
        HoldReason.Cpu => "the cores that may be reserved (machine.cpu) are reserved for other instances",
        HoldReason.StartsAtOnce => "as many instances are starting as may at once (machine.starts_at_once)",
        _ => "as many instances were started in the last moments as may (machine.starts_per_second)",
    };

    private static string Instances(int count) => count == 1 ? "1 instance" : $"{count} instances";

    private static string Slots(int count) => count == 1 ? "1 slot" : $"{count} slots";

    private static string Coming(int starting) => starting == 0 ? "" : $", {starting} starting";
}
