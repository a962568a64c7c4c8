using System.Collections.Immutable;

namespace Dormouse.Protocol.Control;

/// <summary><c>POST /api/v1/destinations</c>.</summary>
public sealed record CreateDestinationRequest
{
    /// <summary>1 to 63 of a-z, 0-9 and '-'.</summary>
    public required string Name { get; init; }

    /// <summary>http:// or https://, or the address of a broker that the operator allows.</summary>
    public required string Url { get; init; }

    /// <summary>"webhook", "cloudevents", "cloudevents-structured" or "cloudevents-batch"; null = webhook.</summary>
    public string? Form { get; init; }

    /// <summary>"whsec_" and base64; null = the server draws one.</summary>
    public string? Secret { get; init; }
}

/// <summary>An address outside that outcomes are sent to.</summary>
public sealed record DestinationInfo
{
    public required string Name { get; init; }

    public required string Url { get; init; }

    public required string Form { get; init; }

    /// <summary>Shown once: when it was made or rotated.</summary>
    public string? Secret { get; init; }

    /// <summary>Until when the secret before signs beside the new one; null = it does not.</summary>
    public DateTimeOffset? OldSecretUntil { get; init; }

    /// <summary>Why nothing is sent to it; null = it is in use.</summary>
    public string? DisabledReason { get; init; }

    /// <summary>Endpoints that report to it.</summary>
    public ImmutableArray<string> Endpoints { get; set; } = [];

    public required DateTimeOffset CreatedAt { get; init; }
}

public sealed record DestinationList(ImmutableArray<DestinationInfo> Destinations);

/// <summary><c>POST /api/v1/destinations/{name}/rotate</c>.</summary>
public sealed record RotateRequest
{
    /// <summary>How long the secret before signs beside the new one, up to 30d; null = 24h.</summary>
    public string? Overlap { get; init; }

    /// <summary>null = the server draws one.</summary>
    public string? Secret { get; init; }
}

/// <summary><c>PUT /api/v1/endpoints/{name}/destinations</c>: where its outcomes go.</summary>
public sealed record DestinationsRequest
{
    /// <summary>A destination's name or "endpoint:NAME"; null = nowhere.</summary>
    public string? OnSuccess { get; init; }

    public string? OnFailure { get; init; }
}

/// <summary>One outcome of one asynchronous invocation on its way to one destination.</summary>
public sealed record DeliveryInfo
{
    /// <summary>Also the <c>webhook-id</c>.</summary>
    public required string Id { get; init; }

    public required long Number { get; init; }

    public required string InvocationId { get; init; }

    /// <summary>A destination's name or "endpoint:NAME".</summary>
    public required string To { get; init; }

    /// <summary>What is reported: "succeeded", "failed", "dead", "expired".</summary>
    public required string Outcome { get; init; }

    /// <summary>"pending", "delivered", "dead".</summary>
    public required string State { get; init; }

    /// <summary>Attempts begun.</summary>
    public int Attempts { get; init; }

    /// <summary>HTTP status of the last answer; null = there was none.</summary>
    public int? Status { get; init; }

    /// <summary>Why the last attempt did not succeed.</summary>
    public string? Reason { get; init; }

    public required DateTimeOffset CreatedAt { get; init; }

    /// <summary>While it is pending: when it is tried next, at the latest.</summary>
    public DateTimeOffset? NextAt { get; init; }

    public DateTimeOffset? EndedAt { get; init; }
}

/// <param name="NextPageToken">Gives the next page; null = this is the last one.</param>
public sealed record DeliveryList(ImmutableArray<DeliveryInfo> Deliveries, string? NextPageToken);

/// <summary><c>POST /api/v1/deliveries/redrive</c>: dead deliveries begin anew.</summary>
public sealed record RedriveDeliveriesRequest
{
    /// <summary>Only this one.</summary>
    public long? Number { get; init; }

    /// <summary>Only those to this destination.</summary>
    public string? To { get; init; }

    /// <summary>Most of them, 1 to 10,000; null = 1,000.</summary>
    public int? Limit { get; init; }
}
