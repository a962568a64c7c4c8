using System.Collections.Immutable;
using System.Globalization;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Packages;

namespace Dormouse.Core.Environments;

/// <summary>Checks what a function asks of its interpreter. What the requirements mean is found out when they are read.</summary>
internal static class NeedsRules
{
    /// <summary>Oldest minor version that the runner works with.</summary>
    private const int OldestMinor = 9;

    public static string? Python(SpecCheck check, string? version)
    {
        if (version is not null && !(version.StartsWith("3.", StringComparison.Ordinal) && version.Length <= 4 && int.TryParse(version.AsSpan(2), NumberStyles.None, CultureInfo.InvariantCulture, out var minor) && minor >= OldestMinor))
        {
            check.Refuse("python", version, $"python is '{ShownText.Of(version)}'; allowed is a version such as '3.11', from 3.{OldestMinor} on.");
        }

        return version;
    }

    public static ImmutableArray<string> Pip(SpecCheck check, ImmutableArray<string>? wished)
    {
        if (wished is not { IsDefaultOrEmpty: false } entries)
        {
            return [];
        }

        if (entries.Length > PythonNeeds.PipMax)
        {
            check.Refuse("pip", $"{entries.Length}", $"pip has {entries.Length} entries; allowed are at most {PythonNeeds.PipMax}. Write them into a requirements file.");
        }

        foreach (var entry in entries.Take(PythonNeeds.PipMax))
        {
            if (entry is not { Length: > 0 and <= PythonNeeds.PipLengthMax } || entry.Any(char.IsControl) || entry.TrimStart().StartsWith('-'))
            {
                check.Refuse("pip", entry ?? "", $"pip has '{ShownText.Of(entry ?? "")}'; allowed is one requirement such as 'numpy==1.26.4', of at most {PythonNeeds.PipLengthMax} characters. Options of pip belong in a requirements file.");
            }
        }

        return entries;
    }

    public static string? Requirements(SpecCheck check, string? path)
    {
        if (path is not null and not PythonNeeds.None && PackageRules.PathRefusal(path) is { } refusal)
        {
            check.Refuse("requirements", path, $"requirements is '{ShownText.Of(path)}'; allowed is the path of a file of the package, or '{PythonNeeds.None}'. {refusal}");
        }

        return path;
    }

    public static void OnlyForFunctions(SpecCheck check, RevisionWishes wishes, RuntimeKind runtime)
    {
        if (!runtime.RunsModels)
        {
            return;
        }

        var set = wishes.Python is { } python ? ("python", python)
            : wishes.Pip is { IsDefaultOrEmpty: false } pip ? ("pip", pip[0])
            : wishes.Requirements is { } file ? ("requirements", file)
            : wishes.SystemPackages is { } system ? ("system_packages", system ? "true" : "false")
            : ((string Name, string Value)?)null;
        if (set is var (name, value))
        {
            check.Refuse(name, value, $"{name} is '{ShownText.Of(value)}', but the runtime is {runtime.Name}, which runs no Python; set runtime to {RuntimeKind.Python.Name}, or leave {name} out.");
        }
    }
}
