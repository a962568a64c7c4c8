using System.Collections.Immutable;
using Dormouse.Drivers.Launching;

namespace Dormouse.Drivers.Python;

/// <summary>How Python workers are started.</summary>
internal static class PythonKinds
{
    /// <summary>What pip, uv and the programs that they call need of the server's own environment: indexes, proxies, certificates, and where their settings are.</summary>
    private static readonly ImmutableArray<string> BuildPrefixes = ["PIP_", "UV_"];

    private static readonly ImmutableArray<string> BuildNames =
    [
        "HOME", "XDG_CONFIG_HOME", "XDG_CONFIG_DIRS", "XDG_CACHE_HOME", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "all_proxy", "no_proxy",
        "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SOURCE_DATE_EPOCH", "CC", "CXX", "CFLAGS", "LDFLAGS",
    ];

    /// <summary>Runs functions with this interpreter.</summary>
    public static WorkerKind Runner(ProcessDriverOptions options, PythonPlace place, PythonInterpreter.Found found) => new("python", Command(found.Path), Environment(options), HasModelEngine: false)
    {
        Reach = new([.. Reads(options, found.Path), .. found.Folders, .. place.Environment is { } id && options.EnvironmentsFolder is { } folder ? (string[])[Path.Combine(folder, id.Value)] : []], [], Network: false),
        Forks = true,
        // What an environment has installed may run when its interpreter starts: the door is made before.
        SandboxedCommand = place.Environment is null ? [] : [found.Path, "-I", "-S", Path.Combine(options.PythonPackagePath ?? "", "dormouse", "runner", "door.py"), .. Command(found.Path)],
    };

    /// <summary>Builds an environment of the interpreter at this path.</summary>
    /// <param name="target">The environment's folder.</param>
    public static WorkerKind Builder(ProcessDriverOptions options, string path, string target)
    {
        var variables = System.Environment.GetEnvironmentVariables().Keys.Cast<string>()
            .Where(name => BuildNames.Contains(name) || BuildPrefixes.Any(p => name.StartsWith(p, StringComparison.Ordinal)))
            .Select(name => KeyValuePair.Create(name, System.Environment.GetEnvironmentVariable(name) ?? ""));
        var home = System.Environment.GetEnvironmentVariable("HOME");
        return new("python-build", Command(path), Environment(options).SetItems(variables), HasModelEngine: false)
        {
            Reach = new([.. Reads(options, path), .. home is null ? (string[])[] : [home]], [target], Network: true),
        };
    }

    private static ImmutableArray<string> Command(string path) => [path, "-m", "dormouse.runner"];

    private static ImmutableSortedDictionary<string, string> Environment(ProcessDriverOptions options) => ProgramCommand.Inherited()
        .SetItem("PYTHONPATH", options.PythonPackagePath ?? "")
        .SetItem("PYTHONUNBUFFERED", "1");

    /// <summary>Our package, and the folder that the interpreter is installed in when that is not the system's.</summary>
    private static IEnumerable<string> Reads(ProcessDriverOptions options, string path)
    {
        if (options.PythonPackagePath is { } package)
            yield return package;
        var program = new FileInfo(path).ResolveLinkTarget(returnFinalTarget: true)?.FullName ?? path;
        if (Path.GetDirectoryName(Path.GetDirectoryName(program)) is { } prefix and not ("/usr" or "/"))
            yield return prefix;
    }
}
