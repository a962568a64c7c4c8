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
    [InlineData("[1]", "object")]
    [InlineData("{", "no JSON")]
    [InlineData("""{"type":"order.paid"}""", "'type' must be an object, or a list")]
    [InlineData("""{"type":[]}""", "'type' must be an object, or a list")]
    [InlineData("""{"data":{"amount":[{"numeric":["!",1]}]}}""", "'data.amount' has")]
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
    [InlineData("\"$.\"")]
    [InlineData("\"$.a..b\"")]
    [InlineData("\"$.a[x]\"")]
    [InlineData("{")]
    public void What_is_no_template_is_refused(string template)
    {
        Assert.Null(EventTemplate.Parse(template, out var fault));
        Assert.NotNull(fault);
    }
}
