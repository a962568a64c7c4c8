using Dormouse.Core.Endpoints;
using Dormouse.Core.Instances;

namespace Dormouse.Core.Scaling;

/// <summary>
/// When the next start may be tried after starts failed: 1 s after the first, doubling to 60 s with every failure in a row; those asked for before the last failure belong to the
/// same try and do not double it. An instance that is lost soon after it was ready and before it completed a run counts as well, from the third try in a row on: a single
/// crash under load is replaced at once. An instance asked for after the last failure that completes a run, or becomes ready after failed starts, ends the row.
/// </summary>
internal sealed class StartBackoff
{
    /// <summary>An instance that lives this long is no crash loop, whatever it did.</summary>
    public static readonly TimeSpan QuickLoss = TimeSpan.FromSeconds(10);

    /// <summary>Quick losses in a row that are replaced at once.</summary>
    public const int QuickLossesFree = 2;

    private static readonly TimeSpan First = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan Longest = TimeSpan.FromSeconds(60);

    private int _quickLosses;
    private MonotonicTime _failedAt = new(long.MinValue);
    private MonotonicTime _quickLostAt = new(long.MinValue);

    /// <summary>Failures in a row that led to a wait.</summary>
    public int Failures { get; private set; }

    /// <summary>The last failure; null when there is none to speak of.</summary>
    public StartFailure? Failure { get; private set; }

    /// <summary>Until when no start is tried; meaningful while <see cref="Failure"/> is there.</summary>
    public MonotonicTime Until { get; private set; }

    /// <summary>When the row is forgotten, so that an engine with nothing else may be dropped.</summary>
    public MonotonicTime ForgottenAt => Until + Longest;

    public bool IsActive(MonotonicTime now) => Failure is not null && now < Until;

    /// <summary>A start failed or took too long.</summary>
    /// <param name="requestedAt">When it was asked for.</param>
    public void StartFailed(StartFailure failure, MonotonicTime requestedAt, MonotonicTime now)
    {
        Failures += Failure is null || requestedAt > _failedAt ? 1 : 0;
        Failure = failure;
        _failedAt = now;
        var delay = First * (1 << Math.Min(Failures - 1, 6));
        Until = now + (delay < Longest ? delay : Longest);
    }

    /// <summary>A ready instance was lost.</summary>
    /// <param name="requestedAt">When it was asked for.</param>
    /// <param name="lived">From ready to lost.</param>
    public void Lost(InstanceLoss loss, MonotonicTime requestedAt, TimeSpan lived, long completedRuns, MonotonicTime now)
    {
        if (completedRuns > 0 || lived >= QuickLoss)
        {
            _quickLosses = 0;
            return;
        }

        if (loss.Kind is InstanceLossKind.LauncherLost or InstanceLossKind.Killed || requestedAt < _quickLostAt)
        {
            // Not its own fault, or of the same try as the last one.
            return;
        }

        _quickLosses++;
        _quickLostAt = now;
        if (_quickLosses > QuickLossesFree)
        {
            var kind = loss.Kind == InstanceLossKind.MemoryExceeded ? StartFailureKind.Memory : StartFailureKind.Crash;
            var reason = $"{_quickLosses} instances in a row ended within {Durations.Words(QuickLoss)} without completing a run; the last: {loss.Detail}";
            StartFailed(new StartFailure(kind, reason), requestedAt, now);
        }
    }

    /// <summary>An instance became ready.</summary>
    public void BecameReady(MonotonicTime requestedAt)
    {
        if (_quickLosses <= QuickLossesFree && requestedAt > _failedAt)
        {
            Forget();
        }
    }

    /// <summary>An instance completed a run.</summary>
    public void CompletedRun(MonotonicTime requestedAt)
    {
        if (requestedAt > _failedAt)
        {
            _quickLosses = 0;
            Forget();
        }
    }

    /// <summary>Forgets a row that is old enough.</summary>
    public void Age(MonotonicTime now)
    {
        if (Failure is not null && now >= ForgottenAt)
        {
            _quickLosses = 0;
            Forget();
        }
    }

    private void Forget()
    {
        Failures = 0;
        Failure = null;
    }
}
