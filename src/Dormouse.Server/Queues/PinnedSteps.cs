using Microsoft.Extensions.Logging;

namespace Dormouse.Server.Queues;

/// <summary>Steps of an asynchronous invocation, in their order.</summary>
internal enum QueueStep
{
    /// <summary>It is stored; who sent it has not been told.</summary>
    Accepted,

    /// <summary>It is taken from the store; nothing has begun.</summary>
    Leased,

    /// <summary>It has a slot and its journal entry is open; the request has not been sent to the instance.</summary>
    Started,

    /// <summary>The instance has answered; the answer is in memory alone.</summary>
    Finished,

    /// <summary>Answer, receipt and end are stored; nobody has been told.</summary>
    Stored,

    /// <summary>The source that it came from has been told that it is queued.</summary>
    Acknowledged,

    /// <summary>Its outcome has been sent to a destination, which has answered; that is not stored yet.</summary>
    Sent,
}

/// <summary>
/// Holds the server at a named step, so that a test can kill a process just then: for crash tests alone (decision 0066). Off unless <see cref="Variable"/> names a folder when the
/// server starts. Then whoever comes to a step for which the folder holds <c>STEP.hold</c> renames that to <c>STEP.reached</c> and stands still until there is a <c>STEP.go</c>; then it is
/// <c>STEP.passed</c>.
/// </summary>
internal sealed partial class PinnedSteps
{
    public const string Variable = "DORMOUSE_TEST_STEPS";

    private static readonly TimeSpan LookInterval = TimeSpan.FromMilliseconds(5);

    private readonly string? _folder;
    private readonly TimeProvider _time;

    public PinnedSteps(TimeProvider time, ILogger<PinnedSteps> logger)
    {
        _time = time;
        _folder = Environment.GetEnvironmentVariable(Variable) is { Length: > 0 } folder ? folder : null;
        if (_folder is not null)
        {
            LogOn(logger, Variable, _folder);
        }
    }

    /// <summary>Somebody has come to the step. Completed at once unless a test asked for it to be held.</summary>
    public ValueTask ReachedAsync(QueueStep step) => _folder is null ? ValueTask.CompletedTask : HoldAsync(_folder, Name(step));

    private static string Name(QueueStep step) => step switch
    {
        QueueStep.Accepted => "accepted",
        QueueStep.Leased => "leased",
        QueueStep.Started => "started",
        QueueStep.Finished => "finished",
        QueueStep.Stored => "stored",
        QueueStep.Acknowledged => "acknowledged",
        QueueStep.Sent => "sent",
        _ => throw new ArgumentOutOfRangeException(nameof(step), step, null),
    };

    private async ValueTask HoldAsync(string folder, string step)
    {
        var name = Path.Combine(folder, step);
        try
        {
            // Of several that come at once one has it.
            File.Move(name + ".hold", name + ".reached");
        }
        catch (IOException)
        {
            return;
        }

        using var timer = new PeriodicTimer(LookInterval, _time);
        while (!File.Exists(name + ".go") && await timer.WaitForNextTickAsync())
        {
        }

        File.Move(name + ".reached", name + ".passed");
    }

    [LoggerMessage(EventId = 6005, EventName = "StepsArePinned", Level = LogLevel.Warning,
        Message = "{Variable} is set: this server stands still where files in {Folder} say so. That is for crash tests; unset it and start again")]
    private static partial void LogOn(ILogger logger, string variable, string folder);
}
