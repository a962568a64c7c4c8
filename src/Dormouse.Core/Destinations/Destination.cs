using System.Collections.Immutable;
using Dormouse.Core.Endpoints;

namespace Dormouse.Core.Destinations;

/// <summary>How an outcome is written for a destination.</summary>
public enum DestinationForm
{
    /// <summary>A JSON document of the outcome, signed as Standard Webhooks say.</summary>
    Webhook,

    /// <summary>A CloudEvent 1.0 in the binary form: its attributes are headers, the answer is the body. Signed as well.</summary>
    CloudEvents,

    /// <summary>A CloudEvent 1.0 as one JSON object, the answer within. Signed as well.</summary>
    CloudEventsStructured,

    /// <summary>The same in a JSON array, for receivers that take batches only. Each outcome is sent, answered and tried again by itself, so the array has one event.</summary>
    CloudEventsBatch,
}

/// <summary>An address outside that outcomes are sent to. Its name is unique within its tenant; whoever signs has its secret.</summary>
/// <param name="Url">http or https, without user and fragment; or of a broker that the operator named (<see cref="IOutlet"/>), without password.</param>
/// <param name="Secret">Signs what is sent; 24 to 64 bytes.</param>
public sealed record Destination(TenantId Tenant, string Name, string Url, DestinationForm Form, ImmutableArray<byte> Secret, DateTimeOffset CreatedAt)
{
    public const int SecretBytesMin = 24;

    public const int SecretBytesMax = 64;

    public const int UrlLengthMax = 2_048;

    /// <summary>What stands for "nowhere, whatever the endpoint says".</summary>
    public const string None = "none";

    private const string EndpointPrefix = "endpoint:";

    /// <summary>What is sent over HTTP is signed; a broker vouches for who may send to it.</summary>
    public bool IsSigned => Url.StartsWith("http://", StringComparison.OrdinalIgnoreCase) || Url.StartsWith("https://", StringComparison.OrdinalIgnoreCase);

    /// <summary>The secret before the last rotation; signs beside the new one until <see cref="OldSecretUntil"/>.</summary>
    public ImmutableArray<byte> OldSecret { get; init; } = [];

    public DateTimeOffset? OldSecretUntil { get; init; }

    /// <summary>Why its secret cannot be opened, a sentence for the operator; then there is none here. Null = all is well.</summary>
    public string? SecretFault { get; init; }

    /// <summary>Why nothing is sent to it any more; null = it is in use.</summary>
    public string? DisabledReason { get; init; }

    /// <summary>Secrets that sign now, the newest first.</summary>
    public ImmutableArray<ImmutableArray<byte>> Secrets(DateTimeOffset now) => OldSecretUntil > now && !OldSecret.IsEmpty ? [Secret, OldSecret] : [Secret];

    /// <summary>A new secret signs from now on, and the one before beside it for the time of the overlap.</summary>
    public Destination Rotated(ImmutableArray<byte> secret, DateTimeOffset until) => this with { Secret = secret, OldSecret = Secret, OldSecretUntil = until, SecretFault = null };

    /// <summary>The name of the endpoint that <paramref name="reference"/> means (<c>endpoint:NAME</c>); null = it means a destination.</summary>
    public static string? EndpointOf(string reference) =>
        reference.StartsWith(EndpointPrefix, StringComparison.Ordinal) ? reference[EndpointPrefix.Length..] : null;

    /// <summary>Null when <paramref name="reference"/> can name a destination, an endpoint or nowhere; else what is wrong with it.</summary>
    public static string? ReferenceRefusal(string reference) => EndpointOf(reference) is { } endpoint ? EndpointName.Refusal(endpoint) : EndpointName.LabelRefusal(reference);
}

/// <summary>Where the outcomes of an endpoint's asynchronous invocations go, unless an invocation says otherwise.</summary>
/// <param name="OnSuccess">A destination's name or <c>endpoint:NAME</c>; null = nowhere.</param>
/// <param name="OnFailure">The same, for those that failed, died or expired.</param>
public sealed record DestinationUse(string? OnSuccess, string? OnFailure)
{
    public static readonly DestinationUse Nothing = new(null, null);
}
