using System.Text.Json;
using Dormouse.Protocol.Problems;

namespace Dormouse.Protocol.Inference;

/// <summary>Reads a <c>parameters</c> object: names with a string, a number or a flag each.</summary>
internal static class JsonParameters
{
    /// <param name="reader">On the member's name; left on the end of its value.</param>
    /// <param name="owner">For messages: "the request", "input 'x'".</param>
    /// <returns>Null when the value is <c>null</c>.</returns>
    public static Dictionary<string, ParameterValue>? Read(ref Utf8JsonReader reader, string owner, string modelName)
    {
        reader.Read();
        if (reader.TokenType == JsonTokenType.Null) return null;
        if (reader.TokenType != JsonTokenType.StartObject) throw Refused($"'parameters' of {owner} must be an object (request for model '{modelName}')");
        var parameters = new Dictionary<string, ParameterValue>(StringComparer.Ordinal);
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            var name = Text(in reader, $"a parameter's name of {owner}");
            KnownParameters.CheckName(name, owner);
            reader.Read();
            if (!parameters.TryAdd(name, Value(ref reader, name, owner)))
                throw Refused($"parameter {Excerpt.Name(name)} of {owner} appears twice (request for model '{modelName}')");
        }

        return parameters;
    }

    /// <summary>The text under the reader; a lone surrogate escape is refused.</summary>
    public static string Text(in Utf8JsonReader reader, string what)
    {
        try
        {
            return reader.GetString()!; // Null only on a null token: callers have checked for a string or a member's name.
        }
        catch (InvalidOperationException noText)
        {
            throw new InferenceException(ProblemCode.RequestInvalid, $"{what} holds an escape that is no character", noText);
        }
    }

    private static ParameterValue Value(ref Utf8JsonReader reader, string name, string owner)
    {
        switch (reader.TokenType)
        {
            case JsonTokenType.String:
                return new ParameterValue.Text(Text(in reader, $"parameter {Excerpt.Name(name)} of {owner}"));
            case JsonTokenType.True:
            case JsonTokenType.False:
                return new ParameterValue.Flag(reader.TokenType == JsonTokenType.True);
            case JsonTokenType.Number:
                if (reader.TryGetInt64(out var integer)) return new ParameterValue.Integer(integer);
                if (reader.TryGetUInt64(out var unsigned)) return new ParameterValue.Unsigned(unsigned);
                if (reader.TryGetDouble(out var number) && double.IsFinite(number)) return new ParameterValue.Number(number);
                throw Refused($"parameter {Excerpt.Name(name)} of {owner} is too large a number");
            default:
                throw Refused($"parameter {Excerpt.Name(name)} of {owner} must be a string, a number, true or false");
        }
    }

    private static InferenceException Refused(string message) => new(ProblemCode.RequestInvalid, message);
}
