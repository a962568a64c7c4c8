using System.Collections.Immutable;

namespace Dormouse.Core.Destinations;

/// <summary>An outcome as a message for a broker.</summary>
/// <param name="Id">The same on every attempt: what brokers that know messages by an id know it by.</param>
/// <param name="Group">What keeps an order where a broker has groups: the endpoint's name.</param>
/// <param name="Attributes">Attributes of a CloudEvent by their plain names; empty = the body says all.</param>
public sealed record OutletMessage(string Id, string Group, ReadOnlyMemory<byte> Body, string ContentType, ImmutableArray<KeyValuePair<string, string>> Attributes);

/// <summary>A kind of brokers that outcomes are sent to. Nothing of its client is loaded before <see cref="SendAsync"/>.</summary>
public interface IOutlet
{
    /// <summary>Schemes of its addresses.</summary>
    ImmutableArray<string> Schemes { get; }

    /// <summary>What is wrong with an address of one of its schemes; null = nothing that can be seen here.</summary>
    string? Fault(Uri url);

    /// <summary>Returns when the broker has it; throws when it has not, or when that is not known.</summary>
    Task SendAsync(Uri url, OutletMessage message, CancellationToken cancellationToken);
}
