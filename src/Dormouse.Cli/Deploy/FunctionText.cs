using System.Text.Json;
using Dormouse.Cli.Terminal;
using Dormouse.Protocol.Control;
using Dormouse.Protocol.Inference;

namespace Dormouse.Cli.Deploy;

/// <summary>How a function is called, in one line: <c>app.py::classify(text: string, top?: integer) → array</c>.</summary>
internal static class FunctionText
{
    public static string Of(RevisionInfo revision)
    {
        var handler = revision.Settings.Handler ?? "handler";
        return revision.Interface?.Function is { } function ? Of(handler, function) : handler;
    }

    public static string Of(string handler, FunctionInterface function) => function.Kind is "web" or "asgi"
        ? $"{handler} takes HTTP requests as they are"
        : $"{handler}({Arguments(function.Input)}) → {(function.Stream ? "stream of " : "")}{Type(function.Output)}{(function.Doc is { Length: > 0 } doc ? ": " + Shown.Line(doc) : "")}";

    private static string Arguments(JsonElement? schema)
    {
        const int Named = 8;
        if (schema is not { ValueKind: JsonValueKind.Object } input)
        {
            return "any";
        }

        if (!input.TryGetProperty("properties", out var properties) || properties.ValueKind != JsonValueKind.Object)
        {
            return Type(schema);
        }

        var required = input.TryGetProperty("required", out var names) && names.ValueKind == JsonValueKind.Array
            ? names.EnumerateArray().Select(n => n.ToString()).ToHashSet(StringComparer.Ordinal)
            : [];
        var all = properties.EnumerateObject().Select(p => $"{p.Name}{(required.Contains(p.Name) ? "" : "?")}: {Type(p.Value)}").ToArray();
        return Shown.Line(string.Join(", ", all.Take(Named)) + (all.Length > Named ? ", …" : ""));
    }

    private static string Type(JsonElement? schema)
    {
        if (schema is not { ValueKind: JsonValueKind.Object } value)
        {
            return "any";
        }

        if (value.TryGetProperty("type", out var type))
        {
            return Shown.Line(type.ValueKind == JsonValueKind.Array ? string.Join(" or ", type.EnumerateArray()) : type.ToString());
        }

        return value.TryGetProperty("anyOf", out var any) && any.ValueKind == JsonValueKind.Array ? string.Join(" or ", any.EnumerateArray().Select(a => Type(a)).Distinct()) : "any";
    }
}
