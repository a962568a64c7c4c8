using System.Diagnostics.CodeAnalysis;

namespace Dormouse.Core.Endpoints;

/// <summary>Which function of a package answers, written <c>app.py::classify</c>.</summary>
/// <param name="Module">Path of its file in the package; null = the runner looks for one of the usual names.</param>
/// <param name="Function">A function, <c>Class.method</c>, or what else the file offers by a name; null = its only one.</param>
public sealed record PythonHandler(string? Module, string? Function)
{
    /// <summary>What is allowed, for messages.</summary>
    public const string Form = "a file of the package, with or without a function of it, such as 'app.py::classify' or 'app.py'";

    public const int LengthMax = 512;

    private const string Separator = "::";

    /// <summary>The runner is to look for everything.</summary>
    public static readonly PythonHandler Any = new(null, null);

    /// <param name="text">Null = <see cref="Any"/>.</param>
    public static bool TryParse(string? text, [NotNullWhen(true)] out PythonHandler? handler)
    {
        handler = null;
        if (text is null)
        {
            handler = Any;
            return true;
        }

        var at = text.IndexOf(Separator, StringComparison.Ordinal);
        var module = at < 0 ? text : text[..at];
        var function = at < 0 ? null : text[(at + Separator.Length)..];
        if (text.Length > LengthMax || Packages.PackageRules.PathRefusal(module) is not null || (function is not null && !IsName(function)))
        {
            return false;
        }

        handler = new PythonHandler(module, function);
        return true;
    }

    public override string ToString() => (Module, Function) switch
    {
        ({ } module, { } function) => module + Separator + function,
        ({ } module, null) => module,
        _ => "",
    };

    /// <summary>Identifiers divided by dots. Python's own rule is wider; the runner has the last word.</summary>
    private static bool IsName(string function)
    {
        foreach (var part in function.Split('.'))
        {
            if (part.Length == 0 || char.IsAsciiDigit(part[0]) || !part.All(c => char.IsLetterOrDigit(c) || c == '_'))
            {
                return false;
            }
        }

        return true;
    }
}
