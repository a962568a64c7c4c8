using System.Collections.Immutable;
using Dormouse.Protocol.Signatures;
using YamlDotNet.Core;

namespace Dormouse.Server.Deploying;

/// <summary>Reads a signature written as YAML or JSON into its canonical JSON. The text is a stranger's: it is read with bounds on depth and length.</summary>
internal static class SignatureText
{
    public const int CharactersMax = 4 << 20;

    private const int DepthMax = 8;

    /// <summary>Null with sentences that say what is wrong.</summary>
    public static string? ToJson(string text, out ImmutableArray<string> errors)
    {
        if (text.Length > CharactersMax)
        {
            errors = [$"The signature has {text.Length} characters; at most {CharactersMax} are allowed."];
            return null;
        }

        string json;
        try
        {
            json = YamlText.ToJson(text, DepthMax);
        }
        catch (YamlException e)
        {
            errors = [$"The signature is not valid YAML or JSON at line {e.Start.Line}: {e.Message}"];
            return null;
        }

        return SignatureRules.Parse(json, out errors) is { } signature ? SignatureRules.ToJson(signature) : null;
    }
}
