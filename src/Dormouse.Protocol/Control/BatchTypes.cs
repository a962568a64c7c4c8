using System.Collections.Immutable;

namespace Dormouse.Protocol.Control;

/// <summary><c>POST /api/v1/batches</c>.</summary>
public sealed record BatchRequest
{
    /// <summary>Name of the endpoint that runs.</summary>
    public required string Endpoint { get; init; }

    public required BatchInputRequest Input { get; init; }

    /// <summary>"r3" or a tag: every item runs on it; "traffic": each by the traffic when it runs. Null = the revision that has most of the traffic now.</summary>
    public string? Revision { get; init; }

    /// <summary>Most items that wait or run at a time, 1 to 1,000; null = 32.</summary>
    public int? Concurrency { get; init; }

    /// <summary>"25" or "5%"; null = "10%".</summary>
    public string? MaxFailures { get; init; }
}

/// <summary>An uploaded file, or one of the server.</summary>
public sealed record BatchInputRequest
{
    /// <summary>SHA-256 of an uploaded file; of the format "files" it is a tar archive.</summary>
    public string? Blob { get; init; }

    /// <summary>Absolute path of a file or folder of the server, below one of its setting <c>batches.folders</c>.</summary>
    public string? Path { get; init; }

    /// <summary>What to call an uploaded file, up to 255 characters.</summary>
    public string? Name { get; init; }

    /// <summary>"lines", "csv", "parquet", "files"; null = by the name.</summary>
    public string? Format { get; init; }
}

/// <summary><c>POST /api/v1/batches/{id}/resume</c>.</summary>
/// <param name="MaxFailures">The new error budget; null = as it was.</param>
public sealed record ResumeBatchRequest(string? MaxFailures = null);

/// <summary>A run of an endpoint over every item of an input.</summary>
public sealed record BatchInfo
{
    public required string Id { get; init; }

    public required string Endpoint { get; init; }

    public required string EndpointId { get; init; }

    /// <summary>Null = each item by the traffic when it runs.</summary>
    public string? Revision { get; init; }

    public required BatchInputInfo Input { get; init; }

    public int Concurrency { get; init; }

    public required string MaxFailures { get; init; }

    /// <summary>"running", "paused", "failed", "cancelled", "done".</summary>
    public required string State { get; init; }

    /// <summary>Something of it is still to happen by itself.</summary>
    public bool IsActive { get; init; }

    /// <summary>Why it failed or was cancelled.</summary>
    public string? Reason { get; init; }

    /// <summary>Items in the results with an output.</summary>
    public long Succeeded { get; init; }

    /// <summary>Items in the results with an error.</summary>
    public long Failed { get; init; }

    /// <summary>What of the input was no item: blank lines, hidden files.</summary>
    public long Skipped { get; init; }

    /// <summary>Items taken from the input that are not in the results yet.</summary>
    public long InFlight { get; init; }

    /// <summary>The input was read to its end.</summary>
    public bool InputRead { get; init; }

    public long ResultsBytes { get; init; }

    /// <summary>Receipts of the items in the results.</summary>
    public long Attempts { get; init; }

    /// <summary>What the items in the results cost: exact integer as text, 10⁻¹² of the currency unit.</summary>
    public required string PricePico { get; init; }

    /// <summary>The same as a decimal text.</summary>
    public required string Price { get; init; }

    public required string Currency { get; init; }

    public required DateTimeOffset CreatedAt { get; init; }

    public DateTimeOffset? EndedAt { get; init; }
}

/// <param name="Place">"uploaded", "server", "bucket".</param>
/// <param name="Format">"lines", "csv", "parquet", "files".</param>
/// <param name="ReadBytes">Of its <paramref name="Bytes"/>.</param>
public sealed record BatchInputInfo(string Place, string Name, string Format, long Bytes, long ReadBytes);

/// <param name="NextPageToken">Null = this is the last page.</param>
public sealed record BatchList(ImmutableArray<BatchInfo> Batches, string? NextPageToken);
