using System.Collections.Immutable;
using Dormouse.Core.Packages;
using Dormouse.Protocol.Signatures;
using YamlDotNet.Core;

namespace Dormouse.Server.Deploying;

/// <summary>Reads a signature written as YAML or JSON into its canonical JSON. The text is a stranger's: it is read with bounds on depth and length.</summary>
internal static class SignatureText
{
    public const int CharactersMax = 4 << 20;

    private const int DepthMax = 8;

    /// <summary>Read where there is one; a package need not have it.</summary>
    private static readonly string DefaultLabels = new LabelsOutput().File;

    /// <summary>Null with sentences that say what is wrong.</summary>
    /// <param name="package">What it is deployed with.</param>
    /// <param name="errors">Empty when nothing is.</param>
    public static string? ToJson(string text, Package package, out ImmutableArray<string> errors)
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

        if (SignatureRules.Parse(json, out errors) is not { } signature)
        {
            return null;
        }

        if (signature.Labels is { Names.IsEmpty: true, File: var labels } && labels != DefaultLabels && package.Files.All(f => f.Path != labels))
        {
            errors = [$"labels.file is '{labels}', but the package has no such file, so labels would be numbers. Send it along, or write the labels under labels.names."];
            return null;
        }

        return SignatureRules.ToJson(signature);
    }
}
