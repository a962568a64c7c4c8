using System.Collections.Immutable;
using System.Text.Json;
using Dormouse.Core.Endpoints;

namespace Dormouse.Core.Events;

/// <summary>
/// Which events a trigger takes: a JSON object of the event's form whose leaves are lists of what is allowed there, as Amazon EventBridge has it. A leaf allows a value that equals one
/// of its members, or fits one of the forms <c>{"prefix":"a"}</c>, <c>{"suffix":"a"}</c>, <c>{"equals-ignore-case":"a"}</c>, <c>{"anything-but":["a"]}</c>,
/// <c>{"numeric":["&gt;",0,"&lt;=",5]}</c> and <c>{"exists":true}</c>. Of a list in the event one member must fit. All leaves must allow.
/// </summary>
public sealed class EventPattern
{
    private const int DepthMax = 16;

    private const string Example = "{\"type\":[\"order.paid\"]}";

    private readonly JsonElement _root;

    private EventPattern(JsonElement root) => _root = root;

    /// <summary>Null with a sentence when <paramref name="json"/> is no pattern.</summary>
    public static EventPattern? Parse(string json, out string? fault)
    {
        try
        {
            using var document = JsonDocument.Parse(json, new JsonDocumentOptions { MaxDepth = DepthMax });
            fault = document.RootElement.ValueKind == JsonValueKind.Object ? ObjectFault(document.RootElement, "") : $"it is {JsonFault.KindOf(document.RootElement)}; allowed is an object, such as {Example}";
            return fault is null ? new EventPattern(document.RootElement.Clone()) : null;
        }
        catch (JsonException e)
        {
            fault = $"it is {JsonFault.Of(json, e, DepthMax)}; allowed is a JSON object, such as {Example}";
            return null;
        }
    }

    /// <summary>Does the event, with the members of a CloudEvent, fit?</summary>
    public bool Matches(JsonElement record) => MatchesObject(_root, record);

    private static string? ObjectFault(JsonElement pattern, string at)
    {
        foreach (var member in pattern.EnumerateObject())
        {
            var place = at.Length == 0 ? member.Name : at + "." + member.Name;
            var fault = member.Value.ValueKind switch
            {
                JsonValueKind.Object => ObjectFault(member.Value, place),
                JsonValueKind.Array when member.Value.GetArrayLength() > 0 => member.Value.EnumerateArray().Select(a => AllowedFault(a, place)).FirstOrDefault(f => f is not null),
                _ => $"'{place}' is {JsonFault.KindOf(member.Value)}; it must be an object, or a list of what is allowed, such as [\"order.paid\"]",
            };
            if (fault is not null)
            {
                return fault;
            }
        }

        return null;
    }

    private static string? AllowedFault(JsonElement allowed, string place)
    {
        if (allowed.ValueKind == JsonValueKind.Array)
        {
            return $"'{place}' has a list in its list; allowed are texts, numbers, true, false, null and the forms prefix, suffix, equals-ignore-case, anything-but, numeric and exists";
        }

        if (allowed.ValueKind != JsonValueKind.Object)
        {
            return null;
        }

        var members = allowed.EnumerateObject().ToImmutableArray();
        var isKnown = members is [var only] && (only.Name, only.Value.ValueKind) switch
        {
            ("prefix" or "suffix" or "equals-ignore-case", JsonValueKind.String) => true,
            ("anything-but", JsonValueKind.String or JsonValueKind.Number or JsonValueKind.Array) => true,
            ("exists", JsonValueKind.True or JsonValueKind.False) => true,
            ("numeric", JsonValueKind.Array) => IsComparison(only.Value),
            _ => false,
        };
        return isKnown ? null : $"'{place}' has {ShownText.Of(allowed.GetRawText())}; allowed are prefix, suffix, equals-ignore-case, anything-but, numeric (such as [\">\",0,\"<=\",5]) and exists";
    }

    private static bool IsComparison(JsonElement numeric)
    {
        var length = numeric.GetArrayLength();
        return length is 2 or 4 && numeric.EnumerateArray().Select((e, i) => i % 2 == 0
            ? e.ValueKind == JsonValueKind.String && e.GetString() is "<" or "<=" or "=" or ">=" or ">"
            : e.ValueKind == JsonValueKind.Number).All(ok => ok);
    }

    private static bool MatchesObject(JsonElement pattern, JsonElement value)
    {
        foreach (var member in pattern.EnumerateObject())
        {
            JsonElement? found = value.ValueKind == JsonValueKind.Object && value.TryGetProperty(member.Name, out var inside) ? inside : null;
            var isMatch = member.Value.ValueKind == JsonValueKind.Object
                ? MatchesObject(member.Value, found ?? default)
                : member.Value.EnumerateArray().Any(allowed => Allows(allowed, found));
            if (!isMatch)
            {
                return false;
            }
        }

        return true;
    }

    private static bool Allows(JsonElement allowed, JsonElement? value)
    {
        if (allowed.ValueKind == JsonValueKind.Object && allowed.TryGetProperty("exists", out var exists))
        {
            return value is not null == exists.GetBoolean();
        }

        return value is { } present && (present.ValueKind == JsonValueKind.Array ? present.EnumerateArray().Any(m => AllowsOne(allowed, m)) : AllowsOne(allowed, present));
    }

    private static bool AllowsOne(JsonElement allowed, JsonElement value)
    {
        if (allowed.ValueKind != JsonValueKind.Object)
        {
            return IsEqual(allowed, value);
        }

        var rule = allowed.EnumerateObject().First();
        return rule.Name switch
        {
            "prefix" => value.ValueKind == JsonValueKind.String && value.GetString()!.StartsWith(rule.Value.GetString()!, StringComparison.Ordinal), // A string's text is never null.
            "suffix" => value.ValueKind == JsonValueKind.String && value.GetString()!.EndsWith(rule.Value.GetString()!, StringComparison.Ordinal), // As above.
            "equals-ignore-case" => value.ValueKind == JsonValueKind.String && value.GetString()!.Equals(rule.Value.GetString(), StringComparison.OrdinalIgnoreCase), // As above.
            "anything-but" => rule.Value.ValueKind == JsonValueKind.Array ? !rule.Value.EnumerateArray().Any(a => IsEqual(a, value)) : !IsEqual(rule.Value, value),
            _ => value.ValueKind == JsonValueKind.Number && Compares(rule.Value, value.GetDouble()),
        };
    }

    private static bool Compares(JsonElement numeric, double value)
    {
        for (var i = 0; i + 1 < numeric.GetArrayLength(); i += 2)
        {
            var bound = numeric[i + 1].GetDouble();
            var isSo = numeric[i].GetString() switch
            {
                "<" => value < bound,
                "<=" => value <= bound,
                "=" => value == bound,
                ">=" => value >= bound,
                _ => value > bound,
            };
            if (!isSo)
            {
                return false;
            }
        }

        return true;
    }

    private static bool IsEqual(JsonElement one, JsonElement other) => one.ValueKind == other.ValueKind && one.ValueKind switch
    {
        JsonValueKind.String => one.GetString() == other.GetString(),
        JsonValueKind.Number => one.GetRawText() == other.GetRawText() || one.GetDouble() == other.GetDouble(),
        JsonValueKind.True or JsonValueKind.False or JsonValueKind.Null => true,
        _ => false,
    };
}
