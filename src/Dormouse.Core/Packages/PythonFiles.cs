using Dormouse.Core.Endpoints;

namespace Dormouse.Core.Packages;

/// <summary>What a package needs to hold for the runner of Python functions to find something in it. What the code is, only the runner knows.</summary>
public static class PythonFiles
{
    private const string Extension = ".py";

    /// <summary>Null when the handler's file is there, whatever it is; without a handler when there is a .py file at all. A handler that is none is judged elsewhere.</summary>
    /// <param name="handler">As the user wrote it, or null.</param>
    public static string? Refusal(Package package, string? handler)
    {
        if (!PythonHandler.TryParse(handler, out var parsed))
        {
            return null;
        }

        if (parsed.Module is not { } module)
        {
            return package.Files.Any(f => f.Path.EndsWith(Extension, StringComparison.Ordinal)) ? null : "The package has no Python code: it needs a .py file, such as app.py, or a handler that names another file.";
        }

        return package.Files.Any(f => f.Path == module) ? null : $"handler is '{ShownText.Of(parsed.ToString())}', but the package has no file '{ShownText.Of(module)}'.";
    }
}
