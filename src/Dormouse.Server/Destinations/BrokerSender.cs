using System.Collections.Immutable;
using System.Runtime.CompilerServices;
using Dormouse.Brokers.Outlets;
using Dormouse.Core.Destinations;
using Dormouse.Core.Endpoints;
using Dormouse.Server.Hosting.Settings;

namespace Dormouse.Server.Destinations;

/// <summary>Sends outcomes to brokers that the operator named. The assembly of the brokers is loaded by the first destination of their kind.</summary>
internal sealed class BrokerSender(DestinationsSettings settings, TimeProvider time)
{
    private readonly Lazy<ImmutableArray<IOutlet>> _outlets = new(Outlets);

    /// <summary>What is wrong with an address of a broker; null = nothing that can be seen here.</summary>
    public string? Refusal(string text)
    {
        if (text.Length > Destination.UrlLengthMax || !Uri.TryCreate(text, UriKind.Absolute, out var url) || BrokerAddress.Of(url) is not { } address)
        {
            return $"an address of at most {Destination.UrlLengthMax} characters that begins with http, https, {string.Join(", ", BrokerAddress.Schemes)} and ://";
        }

        return !settings.Brokers.Contains(address) ? $"the address of a broker that the operator names in the setting destinations.brokers, which has {(settings.Brokers.IsEmpty ? "none" : string.Join(", ", settings.Brokers))}"
            : url.Fragment.Length > 0 ? "an address without a fragment"
            : Outlet(url).Fault(url) is { } fault ? "an address of another form: " + fault
            : null;
    }

    public async Task<DeliveryResult> SendAsync(Delivery delivery, Destination destination, OutcomeMessage message, string endpoint, CancellationToken stopping)
    {
        if (Refusal(destination.Url) is { } allowed)
        {
            // The operator took the broker back.
            return new DeliveryResult.Impossible("it may not be sent there; allowed is " + allowed);
        }

        var url = new Uri(destination.Url);
        using var limit = new CancellationTokenSource(settings.Timeout, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, stopping);
        try
        {
            await Outlet(url).SendAsync(url, new OutletMessage(delivery.Id, endpoint, message.Body, message.ContentType, message.Attributes), either.Token);
            return new DeliveryResult.Taken();
        }
        catch (OperationCanceledException) when (limit.IsCancellationRequested && !stopping.IsCancellationRequested)
        {
            return new DeliveryResult.Unanswered($"the broker did not take it within {Durations.Format(settings.Timeout)}");
        }
        catch (Exception fault) when (!stopping.IsCancellationRequested)
        {
            // Each client has exceptions of its own, and each means that it is not known to be there.
            return new DeliveryResult.Unanswered("the broker did not take it: " + fault.Message);
        }
    }

    private IOutlet Outlet(Uri url) => _outlets.Value.First(o => o.Schemes.Contains(url.Scheme)); // BrokerAddress has the same schemes; a test compares them.

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static ImmutableArray<IOutlet> Outlets() => BrokerOutlets.All();
}
