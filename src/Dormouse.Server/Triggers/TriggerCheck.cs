using System.Collections.Immutable;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Events;
using Dormouse.Protocol.Control;
using Dormouse.Server.Hosting.Settings;

namespace Dormouse.Server.Triggers;

/// <summary>Judges what somebody wants a trigger to be: every fault at once.</summary>
internal sealed class TriggerCheck(EventKinds kinds)
{
    private const int TextMax = 64 << 10;

    /// <returns>The trigger as it is wanted; null with at least one fault.</returns>
    /// <param name="made">Has identity and times; what is asked for goes over it.</param>
    public Trigger? Judge(TriggerRequest request, Trigger made, out ImmutableArray<string> faults)
    {
        var found = ImmutableArray.CreateBuilder<string>();
        var window = TimeSpan.Zero;
        if (request.BatchWindow is { } windowText && (!Durations.TryParse(windowText, out window) || window > Trigger.BatchWindowMax))
        {
            found.Add($"'batch_window' is '{ShownText.Of(windowText)}'; allowed is {Durations.Forms}, at most {Durations.Format(Trigger.BatchWindowMax)}.");
        }

        var size = request.BatchSize ?? 1;
        if (size is < 1 or > Trigger.BatchSizeMax)
        {
            found.Add($"'batch_size' is {size}; allowed is a whole number from 1 to {Trigger.BatchSizeMax}.");
        }

        if (EndpointName.Refusal(request.Endpoint) is { } badEndpoint)
        {
            found.Add("'endpoint': " + badEndpoint);
        }

        Text(found, "filter", request.Filter, text => EventPattern.Parse(text, out var fault) is null ? fault : null);
        Text(found, "input", request.Input, text => EventTemplate.Parse(text, out var fault) is null ? fault : null);
        var trigger = made with
        {
            Kind = request.Kind,
            Endpoint = request.Endpoint,
            Source = request.Source ?? ImmutableSortedDictionary<string, string>.Empty,
            Filter = request.Filter,
            Input = request.Input,
            BatchSize = size,
            BatchWindow = window,
        };
        Source(found, trigger);
        faults = found.ToImmutable();
        return faults.IsEmpty ? trigger : null;
    }

    private void Source(ImmutableArray<string>.Builder faults, Trigger trigger)
    {
        if (kinds.Find(trigger.Kind) is not { } kind)
        {
            faults.Add($"'kind' is '{ShownText.Of(trigger.Kind)}'; allowed is {string.Join(", ", kinds.All.Select(k => k.Name))}.");
            return;
        }

        var count = faults.Count;
        foreach (var key in trigger.Source.Keys.Where(k => !kind.Keys.Any(known => known.Name == k)))
        {
            var near = Suggestion.Nearest(key, kind.Keys.Select(k => k.Name));
            faults.Add($"'source' has '{ShownText.Of(key)}', which {kind.Name} does not know{(near is null ? "" : $" (did you mean '{near}'?)")}; it knows {(kind.Keys.IsEmpty ? "none" : string.Join(", ", kind.Keys.Select(k => k.Name)))}.");
        }

        foreach (var key in kind.Keys.Where(k => k.IsRequired && string.IsNullOrEmpty(trigger.Source.GetValueOrDefault(k.Name))))
        {
            faults.Add($"'source' lacks '{key.Name}': {key.Description}.");
        }

        if (faults.Count == count && kind.Fault(trigger) is { } fault)
        {
            faults.Add(fault);
        }
    }

    private static void Text(ImmutableArray<string>.Builder faults, string name, string? text, Func<string, string?> check)
    {
        if (text is not null && (text.Length > TextMax ? $"it has {text.Length} characters; at most {TextMax} are allowed" : check(text)) is { } fault)
        {
            faults.Add($"'{name}' is '{ShownText.Of(text)}': {fault}.");
        }
    }
}
