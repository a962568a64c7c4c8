using System.Globalization;
using Dormouse.Core.Endpoints;

namespace Dormouse.Core.Batches;

public readonly record struct BatchId(Guid Value)
{
    public override string ToString() => Value.ToString("D");
}

/// <summary>Where a batch job stands.</summary>
public enum BatchState
{
    /// <summary>Items are taken from its input and their outcomes written to its results.</summary>
    Running,

    /// <summary>Nothing more is taken from its input until somebody resumes it; what was taken ends.</summary>
    Paused,

    /// <summary>It stopped by itself: too many failures, or its input cannot be read. What it has is kept, and it can be resumed.</summary>
    Failed,
    Cancelled,

    /// <summary>Every item of its input has its line in the results.</summary>
    Done,
}

/// <summary>How an input is divided into items.</summary>
public enum BatchFormat
{
    /// <summary>JSON lines: each line is the body of one request.</summary>
    Lines,

    /// <summary>Comma-separated values with a header: each row is one item.</summary>
    Csv,

    /// <summary>Each file is one item.</summary>
    Files,

    /// <summary>Apache Parquet: each row is one item.</summary>
    Parquet,
}

/// <summary>Where the bytes of an input are.</summary>
public enum BatchPlace
{
    /// <summary>A file that the client has sent; the location is its hash. Of <see cref="BatchFormat.Files"/> it is a tar archive.</summary>
    Uploaded,

    /// <summary>A file or folder of the server's machine; the location is its path.</summary>
    Server,

    /// <summary>An object of a bucket, or of <see cref="BatchFormat.Files"/> all objects of a prefix; the location is its address.</summary>
    Bucket,
}

/// <summary>An input.</summary>
/// <param name="Stamp">Changes when the input does; null = it cannot change.</param>
/// <param name="Name">As people call it.</param>
/// <param name="Bytes">Of all of it, for progress.</param>
public sealed record BatchInput(BatchPlace Place, string Location, string? Stamp, string Name, BatchFormat Format, long Bytes);

/// <summary>What a piece of the input held.</summary>
/// <param name="Items">Numbered on from the job's <see cref="BatchJob.Fed"/>.</param>
/// <param name="Skipped">What was no item: blank lines, hidden files.</param>
/// <param name="Mark">Where reading goes on.</param>
/// <param name="ReadBytes">Of the input up to there.</param>
/// <param name="IsEnd">Nothing comes behind it.</param>
public sealed record BatchFeeding(long Items, long Skipped, string? Mark, long ReadBytes, bool IsEnd);

/// <summary>What was written to the results.</summary>
/// <param name="Through">Number of the last item written.</param>
/// <param name="ResultsBytes">Length of the results with it.</param>
/// <param name="CostPico">Sum of the receipts of the items written, pico-units of money.</param>
/// <param name="Attempts">Receipts of the items written.</param>
public sealed record BatchCollection(long Through, long Succeeded, long Failed, long ResultsBytes, Int128 CostPico, long Attempts);

/// <summary>
/// A run of an endpoint over every item of an input. Its input is read once, in order; items are numbered from 1. <see cref="Fed"/> of them have been given to the queue,
/// <see cref="Collected"/> of these have their line in the results, and what lies between is its window. Each change is a function from one value to the next; a store adds that each
/// happens in one transaction.
/// </summary>
public sealed record BatchJob
{
    public required BatchId Id { get; init; }

    public required TenantId Tenant { get; init; }

    public required EndpointId Endpoint { get; init; }

    /// <summary>The endpoint's name when the job was made.</summary>
    public required string EndpointName { get; init; }

    /// <summary>The revision on which every item runs; null = by traffic when an item runs.</summary>
    public string? Version { get; init; }

    /// <summary>The server that has its results.</summary>
    public required Guid Owner { get; init; }

    public required BatchInput Input { get; init; }

    /// <summary>Most items that wait or run at a time, 1 to <see cref="FeedRule.ConcurrencyMax"/>.</summary>
    public required int Concurrency { get; init; }

    public required FailureBudget Budget { get; init; }

    public BatchState State { get; init; }

    /// <summary>Why it failed or was cancelled.</summary>
    public string? Reason { get; init; }

    public required DateTimeOffset CreatedAt { get; init; }

    /// <summary>When it was done, failed or cancelled.</summary>
    public DateTimeOffset? EndedAt { get; init; }

    /// <summary>Where reading of the input goes on; null = at its beginning.</summary>
    public string? Mark { get; init; }

    /// <summary>Bytes of the input read.</summary>
    public long ReadBytes { get; init; }

    /// <summary>The end of the input was reached.</summary>
    public bool IsReadToEnd { get; init; }

    /// <summary>Items taken from the input: number of the last one.</summary>
    public long Fed { get; init; }

    /// <summary>What of the input was no item.</summary>
    public long Skipped { get; init; }

    /// <summary>Items in the results with an output.</summary>
    public long Succeeded { get; init; }

    /// <summary>Items in the results with an error.</summary>
    public long Failures { get; init; }

    /// <summary>Length of the results, bytes. What a file has beyond it was not finished.</summary>
    public long ResultsBytes { get; init; }

    /// <summary>What the items in the results cost, pico-units of money.</summary>
    public Int128 CostPico { get; init; }

    /// <summary>Receipts of the items in the results.</summary>
    public long Attempts { get; init; }

    /// <summary>Items in the results: number of the last one.</summary>
    public long Collected => Succeeded + Failures;

    /// <summary>Items between input and results.</summary>
    public long InWindow => Fed - Collected;

    /// <summary>Something of it is still to happen without anybody asking for it.</summary>
    public bool IsActive => State == BatchState.Running || InWindow > 0;

    /// <summary>A piece of its input was given to the queue.</summary>
    public BatchJob After(BatchFeeding fed) => this with
    {
        Fed = Fed + fed.Items,
        Skipped = Skipped + fed.Skipped,
        Mark = fed.Mark,
        ReadBytes = fed.ReadBytes,
        IsReadToEnd = IsReadToEnd || fed.IsEnd,
    };

    /// <summary>Outcomes were written to its results.</summary>
    public BatchJob After(BatchCollection collected) => this with
    {
        Succeeded = Succeeded + collected.Succeeded,
        Failures = Failures + collected.Failed,
        ResultsBytes = collected.ResultsBytes,
        CostPico = CostPico + collected.CostPico,
        Attempts = Attempts + collected.Attempts,
    };

    /// <summary>Stops a running job whose budget is exceeded, and ends one that has nothing more to do; any other is returned as it is.</summary>
    public BatchJob Settled(DateTimeOffset now)
    {
        if (State != BatchState.Running)
        {
            return this;
        }

        if (Budget.IsExceeded(Collected, Failures))
        {
            return Stopped(
                string.Create(CultureInfo.InvariantCulture, $"{Failures} of {Collected} items failed, more than --max-failures {Budget} allows. See the errors in the results; resume it with a larger --max-failures to go on."), now);
        }

        return IsReadToEnd && InWindow == 0 ? this with { State = BatchState.Done, Reason = null, EndedAt = now } : this;
    }

    /// <summary>It cannot go on by itself.</summary>
    public BatchJob Stopped(string reason, DateTimeOffset now) => State == BatchState.Running ? this with { State = BatchState.Failed, Reason = reason, EndedAt = now } : this;

    public BatchJob Paused() => State == BatchState.Running ? this with { State = BatchState.Paused } : this;

    /// <summary>A paused or failed job goes on, with another budget if one is given.</summary>
    public BatchJob Resumed(FailureBudget? budget, DateTimeOffset now) => State is BatchState.Paused or BatchState.Failed
        ? (this with { State = BatchState.Running, Reason = null, EndedAt = null, Budget = budget ?? Budget }).Settled(now)
        : this;

    /// <summary>Nothing more is taken; what was taken and has not ended is cancelled too.</summary>
    public BatchJob Cancelled(DateTimeOffset now) => State is BatchState.Done or BatchState.Cancelled
        ? this
        : this with { State = BatchState.Cancelled, Reason = "cancelled by its owner", EndedAt = now };
}
