using System.Text;
using System.Text.Json;
using Dormouse.Core.Events;

namespace Dormouse.Core.Tests.Events;

public sealed class EventPatternTests
{
    private const string Event = """{"id":"7","type":"order.paid","source":"/shop","data":{"amount":12.50,"tags":["a","b"],"paid":true,"note":null,"customer":{"name":"Ada"}}}""";

    [Theory]
    [InlineData("""{}""", true)]
    [InlineData("""{"type":["order.paid"]}""", true)]
    [InlineData("""{"type":["order.sent","order.paid"]}""", true)]
    [InlineData("""{"type":["order.sent"]}""", false)]
    [InlineData("""{"type":["order.paid"],"source":["/other"]}""", false)]
    [InlineData("""{"type":[{"prefix":"order."}]}""", true)]
    [InlineData("""{"type":[{"suffix":".sent"}]}""", false)]
    [InlineData("""{"type":[{"equals-ignore-case":"ORDER.PAID"}]}""", true)]
    [InlineData("""{"type":[{"anything-but":["order.sent"]}]}""", true)]
    [InlineData("""{"type":[{"anything-but":"order.paid"}]}""", false)]
    [InlineData("""{"data":{"amount":[12.5]}}""", true)]
    [InlineData("""{"data":{"amount":[{"numeric":[">",0,"<=",12.5]}]}}""", true)]
    [InlineData("""{"data":{"amount":[{"numeric":["<",12.5]}]}}""", false)]
    [InlineData("""{"data":{"tags":["b"]}}""", true)]
    [InlineData("""{"data":{"tags":["c"]}}""", false)]
    [InlineData("""{"data":{"paid":[true]}}""", true)]
    [InlineData("""{"data":{"note":[null]}}""", true)]
    [InlineData("""{"data":{"customer":{"name":["Ada"]}}}""", true)]
    [InlineData("""{"data":{"customer":{"age":[{"exists":false}]}}}""", true)]
    [InlineData("""{"data":{"customer":{"name":[{"exists":false}]}}}""", false)]
    [InlineData("""{"data":{"missing":{"deeper":["x"]}}}""", false)]
    public void An_event_matches_when_all_leaves_allow(string pattern, bool expected)
    {
        using var record = JsonDocument.Parse(Event);

        var parsed = EventPattern.Parse(pattern, out var fault);

        Assert.Null(fault);
        Assert.Equal(expected, parsed!.Matches(record.RootElement));
    }

    [Theory]
    [InlineData("[1]", "it is a list; allowed is an object, such as {\"type\":[\"order.paid\"]}")]
    [InlineData("\"order.paid\"", "it is the text 'order.paid'; allowed is an object")]
    [InlineData("{", "it is no JSON (line 1, byte 2); allowed is a JSON object, such as {\"type\":[\"order.paid\"]}")]
    [InlineData("{type:[\"order.paid\"]}", "it is no JSON (line 1, byte 2); allowed is")]
    [InlineData(" ", "it is empty; allowed is")]
    [InlineData("""{"a":{"b":{"c":{"d":{"e":{"f":{"g":{"h":{"i":{"j":{"k":{"l":{"m":{"n":{"o":{"p":[1]}}}}}}}}}}}}}}}}""", "it is nested deeper than the 16 levels that are allowed")]
    [InlineData("""{"type":"order.paid"}""", "'type' is the text 'order.paid'; it must be an object, or a list of what is allowed, such as [\"order.paid\"]")]
    [InlineData("""{"type":[]}""", "'type' is an empty list; it must be an object, or a list")]
    [InlineData("""{"data":{"amount":7}}""", "'data.amount' is 7; it must be")]
    [InlineData("""{"type":[["a"]]}""", "'type' has a list in its list; allowed are")]
    [InlineData("""{"data":{"amount":[{"numeric":["!",1]}]}}""", "'data.amount' has {\"numeric\":[\"!\",1]}; allowed are")]
    [InlineData("""{"data":{"amount":[{"regex":"x"}]}}""", "allowed are prefix")]
    public void What_is_no_pattern_is_refused_with_its_place(string pattern, string expected)
    {
        Assert.Null(EventPattern.Parse(pattern, out var fault));
        Assert.Contains(expected, fault, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("""{"a":"$.data.amount","b":["$.data.tags[1]"],"c":"$$.x","d":"plain","e":3,"f":"$.nowhere"}""", """{"a":12.50,"b":["b"],"c":"$.x","d":"plain","e":3,"f":null}""")]
    [InlineData("\"$.data.customer\"", """{"name":"Ada"}""")]
    [InlineData("\"$.data.tags[7]\"", "null")]
    [InlineData("\"$\"", Event)]
    [InlineData("\"$5\"", "\"$5\"")]
    public void A_template_puts_in_what_its_paths_lead_to(string template, string expected)
    {
        using var record = JsonDocument.Parse(Event);
        using var stream = new MemoryStream();

        using (var json = new Utf8JsonWriter(stream))
        {
            EventTemplate.Parse(template, out _)!.Write(json, record.RootElement);
        }

        Assert.Equal(expected, Encoding.UTF8.GetString(stream.ToArray()));
    }

    [Theory]
    [InlineData("\"$.\"", "'$.' is no path; write it like $.data.items[0].name")]
    [InlineData("\"$.a..b\"", "'$.a..b' is no path")]
    [InlineData("\"$.a[x]\"", "'$.a[x]' is no path")]
    [InlineData("{", "it is no JSON (line 1, byte 2); allowed is JSON, such as {\"id\":\"$.data.order\"}")]
    [InlineData("$.data", "it is no JSON (line 1, byte 1); allowed is JSON")]
    public void What_is_no_template_is_refused_with_what_is_allowed(string template, string expected)
    {
        Assert.Null(EventTemplate.Parse(template, out var fault));
        Assert.Contains(expected, fault, StringComparison.Ordinal);
    }
}
