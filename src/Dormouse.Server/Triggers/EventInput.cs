using System.Buffers;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Dormouse.Core.Events;
using Dormouse.Protocol;
using Dormouse.Server.Queues;

namespace Dormouse.Server.Triggers;

/// <summary>A trigger's rules, read once: which events it takes and what it makes of them.</summary>
internal sealed class EventInput
{
    private const string Json = "application/json";

    private readonly Trigger _trigger;
    private readonly EventPattern? _filter;
    private readonly EventTemplate? _template;

    /// <param name="trigger">Its filter and input were checked when it was made.</param>
    public EventInput(Trigger trigger)
    {
        _trigger = trigger;
        _filter = trigger.Filter is { } filter ? EventPattern.Parse(filter, out _) : null;
        _template = trigger.Input is { } input ? EventTemplate.Parse(input, out _) : null;
    }

    public bool Takes(SourceEvent from)
    {
        if (_filter is null)
        {
            return true;
        }

        using var record = EventRecord.Of(from);
        return _filter.Matches(record.RootElement);
    }

    /// <summary>The invocation that these events become. The same events always become the same.</summary>
    /// <param name="events">At least one.</param>
    public FedItem Compose(IReadOnlyList<SourceEvent> events, DateTimeOffset now)
    {
        var first = events[0];
        var isOne = _trigger.BatchSize == 1;
        var isPlain = isOne && _template is null && first.Envelope is null;
        return new FedItem(_trigger.Tenant, _trigger.Endpoint, isPlain ? first.Data : Write(events, isOne), isPlain ? first.ContentType : Json, Key(events))
        {
            Headers = [KeyValuePair.Create(DormouseHeaders.Trigger, _trigger.Name), .. isOne ? Attributes(first) : []],
            // A batch may have events of several groups: then batches run one after the other.
            Group = isOne ? first.Group : events.Any(e => e.Group is not null) ? $"trigger:{_trigger.Id}" : null,
            Trigger = new TriggerProgress(_trigger.Id, events[^1].Mark, now),
        };
    }

    private byte[] Write(IReadOnlyList<SourceEvent> events, bool isOne)
    {
        var buffer = new ArrayBufferWriter<byte>(1024);
        using (var json = new Utf8JsonWriter(buffer))
        {
            var envelope = events[0].Envelope;
            if (envelope is not null)
            {
                json.WriteStartObject();
                json.WritePropertyName(envelope);
            }

            if (!isOne || envelope is not null)
            {
                json.WriteStartArray();
            }

            foreach (var from in events)
            {
                if (_template is null)
                {
                    EventRecord.WriteData(json, from);
                }
                else
                {
                    using var record = EventRecord.Of(from);
                    _template.Write(json, record.RootElement);
                }
            }

            if (!isOne || envelope is not null)
            {
                json.WriteEndArray();
            }

            if (envelope is not null)
            {
                json.WriteEndObject();
            }
        }

        return buffer.WrittenSpan.ToArray();
    }

    private string Key(IReadOnlyList<SourceEvent> events)
    {
        var ids = Encoding.UTF8.GetBytes(string.Join('\n', events.Select(e => e.Source + " " + e.Id)));
        return $"trigger:{_trigger.Id}:{Convert.ToHexStringLower(SHA256.HashData(ids))}";
    }

    /// <summary>The endpoint gets a single event as a CloudEvent in the binary form.</summary>
    private static IEnumerable<KeyValuePair<string, string>> Attributes(SourceEvent from)
    {
        yield return KeyValuePair.Create("ce-specversion", "1.0");
        yield return KeyValuePair.Create("ce-id", Escaped(from.Id));
        yield return KeyValuePair.Create("ce-source", Escaped(from.Source));
        yield return KeyValuePair.Create("ce-type", Escaped(from.Type));
        if (from.Subject is { } subject)
        {
            yield return KeyValuePair.Create("ce-subject", Escaped(subject));
        }

        if (from.Time is { } time)
        {
            yield return KeyValuePair.Create("ce-time", time.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss.FFFFFF'Z'", CultureInfo.InvariantCulture));
        }

        foreach (var (name, value) in from.Attributes.Where(a => a.Key != "specversion"))
        {
            yield return KeyValuePair.Create("ce-" + name, Escaped(value));
        }
    }

    /// <summary>Percent-encoded as the HTTP binding of CloudEvents says: space, quotation mark, per cent and all that is no printable ASCII.</summary>
    private static string Escaped(string text)
    {
        if (text.All(c => c is > ' ' and <= '~' and not ('"' or '%')))
        {
            return text;
        }

        var escaped = new StringBuilder();
        foreach (var b in Encoding.UTF8.GetBytes(text))
        {
            _ = b is > (byte)' ' and <= (byte)'~' and not ((byte)'"' or (byte)'%') ? escaped.Append((char)b) : escaped.Append(CultureInfo.InvariantCulture, $"%{b:X2}");
        }

        return escaped.ToString();
    }
}
