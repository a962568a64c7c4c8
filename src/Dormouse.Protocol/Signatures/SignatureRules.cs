using System.Collections.Immutable;
using System.Text.Json;

namespace Dormouse.Protocol.Signatures;

/// <summary>What a signature may say. Both the control plane (at deploy) and the worker (at load) read it through here.</summary>
public static class SignatureRules
{
    private const int SideMax = 8192;
    private const int LabelsMax = 10_000;

    /// <summary>Reads canonical JSON; null and sentences when it is not a signature.</summary>
    public static Signature? Parse(string json, out ImmutableArray<string> errors)
    {
        Signature? signature;
        try
        {
            signature = JsonSerializer.Deserialize(json, StrictSignatureJson.Default.Signature);
        }
        catch (JsonException e)
        {
            errors = [$"The signature cannot be read at '{e.Path ?? "$"}': {FirstSentence(e.Message)}"];
            return null;
        }

        if (signature is null)
        {
            errors = ["The signature is empty."];
            return null;
        }

        errors = Errors(signature);
        return errors.IsEmpty ? signature : null;
    }

    public static string ToJson(Signature signature) => JsonSerializer.Serialize(signature, SignatureJson.Default.Signature);

    /// <summary>All that is wrong, one sentence each; empty when nothing is.</summary>
    public static ImmutableArray<string> Errors(Signature signature)
    {
        var errors = ImmutableArray.CreateBuilder<string>();
        if (signature.Picture is { } picture)
        {
            Side(errors, "picture.width", picture.Width);
            Side(errors, "picture.height", picture.Height);
            Values(errors, "picture.mean", picture.Mean, picture.Channels, zeroAllowed: true);
            Values(errors, "picture.deviation", picture.Deviation, picture.Channels, zeroAllowed: false);
            if (!double.IsFinite(picture.Scale) || picture.Scale == 0)
            {
                errors.Add($"picture.scale is {picture.Scale}; it must be a number other than 0.");
            }

            if (picture.Padding is < 0 or > 255)
            {
                errors.Add($"picture.padding is {picture.Padding}; 0 to 255 are allowed.");
            }
        }

        if (signature.Labels is { } labels)
        {
            if (labels.Top is < 1 or > LabelsMax)
            {
                errors.Add($"labels.top is {labels.Top}; 1 to {LabelsMax} are allowed.");
            }

            if (labels.Names.Length > 1_000_000)
            {
                errors.Add($"labels.names has {labels.Names.Length} entries; at most 1,000,000 are allowed.");
            }
        }

        foreach (var (plain, model) in signature.Names)
        {
            if (plain.Length is 0 or > 256 || model.Length == 0)
            {
                errors.Add($"names: '{plain}' → '{model}' is not allowed; both names need 1 to 256 characters.");
            }
        }

        if (signature.Names.Values.Distinct(StringComparer.Ordinal).Count() != signature.Names.Count)
        {
            errors.Add("names: two plain names mean the same tensor.");
        }

        return errors.ToImmutable();
    }

    private static void Side(ImmutableArray<string>.Builder errors, string key, int? value)
    {
        if (value is < 1 or > SideMax)
        {
            errors.Add($"{key} is {value}; 1 to {SideMax} are allowed.");
        }
    }

    private static void Values(ImmutableArray<string>.Builder errors, string key, ImmutableArray<double> values, PictureChannels channels, bool zeroAllowed)
    {
        var count = channels == PictureChannels.Grey ? 1 : 3;
        if (values.IsDefault || (values.Length != 1 && values.Length != count))
        {
            errors.Add($"{key} has {(values.IsDefault ? 0 : values.Length)} values; {(count == 1 ? "1 is" : "1 or 3 are")} allowed for {channels.ToString().ToLowerInvariant()}.");
            return;
        }

        if (values.Any(v => !double.IsFinite(v) || (!zeroAllowed && v == 0)))
        {
            errors.Add($"{key} holds a value that is not allowed: it must be a finite number{(zeroAllowed ? "" : " other than 0")}.");
        }
    }

    private static string FirstSentence(string message)
    {
        var end = message.IndexOf(" Path:", StringComparison.Ordinal);
        return end < 0 ? message : message[..end];
    }
}
