using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Dormouse.Protocol.Control;

/// <summary>Runs at once of an instance: in JSON a number, <c>"auto"</c> = the server finds it from run times, or <c>"unlimited"</c> (also 0) = an instance has no limit of its own.</summary>
/// <param name="Number">Null = auto, 0 = unlimited.</param>
[JsonConverter(typeof(ConcurrencySettingJson))]
public readonly record struct ConcurrencySetting(int? Number)
{
    public const string AutoText = "auto";
    public const string UnlimitedText = "unlimited";

    /// <summary>Found from run times.</summary>
    public static readonly ConcurrencySetting Auto = new(null);

    /// <summary>No limit of an instance.</summary>
    public static readonly ConcurrencySetting Unlimited = new(0);

    public bool IsAuto => Number is null;

    public bool IsUnlimited => Number == 0;

    public static implicit operator ConcurrencySetting(int number) => new(number);

    /// <summary>Null when the text is neither a whole number nor one of the words.</summary>
    public static ConcurrencySetting? Parse(string text) =>
        text == AutoText ? Auto
        : text == UnlimitedText ? Unlimited
        : int.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var number) ? number
        : null;

    public override string ToString() => IsUnlimited ? UnlimitedText : Number?.ToString(CultureInfo.InvariantCulture) ?? AutoText;
}

/// <summary>The wire form.</summary>
public sealed class ConcurrencySettingJson : JsonConverter<ConcurrencySetting>
{
    public override ConcurrencySetting Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) => reader.TokenType switch
    {
        JsonTokenType.Number when reader.TryGetInt32(out var number) => number,
        JsonTokenType.String when reader.ValueTextEquals(ConcurrencySetting.AutoText) => ConcurrencySetting.Auto,
        JsonTokenType.String when reader.ValueTextEquals(ConcurrencySetting.UnlimitedText) => ConcurrencySetting.Unlimited,
        // Without words of its own: the reader of the whole document says where.
        _ => throw new JsonException(),
    };

    public override void Write(Utf8JsonWriter writer, ConcurrencySetting value, JsonSerializerOptions options)
    {
        if (value.Number is { } number and not 0)
        {
            writer.WriteNumberValue(number);
        }
        else
        {
            writer.WriteStringValue(value.ToString());
        }
    }
}
