using System.Collections.Immutable;
using System.Globalization;
using Dormouse.Core.Environments;

namespace Dormouse.Drivers.Python;

/// <summary>The Python interpreters of this machine: the server's own, those that settings name, and <c>python3.N</c> in PATH. Each is asked what it is when it is first wanted.</summary>
internal sealed class Interpreters(ProcessDriverOptions options, TimeProvider time) : IDisposable
{
    private const string NamePrefix = "python3.";
    private const int OldestMinor = 9;

    private readonly SemaphoreSlim _asking = new(1);
    private readonly Dictionary<string, PythonInterpreter.Found> _known = new(StringComparer.Ordinal);
    private PythonInterpreter? _own;

    /// <summary>Where the programs of an environment are.</summary>
    public static string ProgramOf(string environmentFolder) => Path.Combine(environmentFolder, "venv", "bin", "python");

    /// <summary>Never throws but for cancellation.</summary>
    public async Task<PythonInterpreter> FindAsync(PythonPlace place, CancellationToken cancellationToken)
    {
        if (place.Environment is { } environment)
        {
            return InEnvironment(environment);
        }

        await _asking.WaitAsync(cancellationToken);
        try
        {
            // What an interpreter is does not change while the server runs; one that is missing may come.
            if (_own is not PythonInterpreter.Found)
                _own = await OwnAsync(cancellationToken);
            return place.Version is not { } version || (_own is PythonInterpreter.Found own && MinorOf(own.Version) == version) ? _own : await VersionAsync(version, cancellationToken);
        }
        finally
        {
            _asking.Release();
        }
    }

    /// <summary>Versions that there seem to be beside the server's own, by the names of programs; none of them is started.</summary>
    public static ImmutableSortedDictionary<string, string> Named()
    {
        var named = ImmutableSortedDictionary.CreateBuilder<string, string>(StringComparer.Ordinal);
        foreach (var folder in (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':', StringSplitOptions.RemoveEmptyEntries).Where(Directory.Exists))
        {
            // The pattern matches python3 itself, too.
            foreach (var path in Directory.EnumerateFiles(folder, NamePrefix + "*").Where(p => Path.GetFileName(p).Length > NamePrefix.Length))
            {
                var minor = Path.GetFileName(path)[NamePrefix.Length..];
                if (int.TryParse(minor, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number >= OldestMinor)
                    named.TryAdd("3." + minor, path);
            }
        }

        return named.ToImmutable();
    }

    public static string MinorOf(Version version) => string.Create(CultureInfo.InvariantCulture, $"{version.Major}.{version.Minor}");

    public void Dispose() => _asking.Dispose();

    private async Task<PythonInterpreter> OwnAsync(CancellationToken cancellationToken) => options is { PythonCommand: { } command, PythonPackagePath: not null }
        ? await PythonInterpreter.FindAsync(command, time, cancellationToken)
        : new PythonInterpreter.Missing("Python endpoints need our Python package, and the folder 'python' is not beside the server. Run './dormouse' once to build it.");

    private async Task<PythonInterpreter> VersionAsync(string version, CancellationToken cancellationToken)
    {
        if (_known.TryGetValue(version, out var known) && File.Exists(known.Path))
            return known;
        var named = Named();
        var candidates = named.TryGetValue(version, out var path) ? options.PythonInterpreters.Add(path) : options.PythonInterpreters;
        foreach (var command in candidates)
        {
            if (await PythonInterpreter.FindAsync(command, time, cancellationToken) is PythonInterpreter.Found found)
                _known[MinorOf(found.Version)] = found;
        }

        if (_known.TryGetValue(version, out var now))
            return now;
        var others = named.Remove(version).Keys.Concat(_known.Keys);
        var there = (_own is PythonInterpreter.Found own ? others.Append(MinorOf(own.Version)) : others).Distinct().OrderBy(v => int.Parse(v.AsSpan(2), CultureInfo.InvariantCulture));
        var list = string.Join(", ", there);
        return new PythonInterpreter.Missing(
            $"python is '{version}', which this machine does not have; it has {(list.Length > 0 ? list : "none")}. Install it, or name its path with environments.interpreters.");
    }

    private PythonInterpreter InEnvironment(EnvironmentId environment)
    {
        var path = options.EnvironmentsFolder is { } folder ? ProgramOf(Path.Combine(folder, environment.Value)) : null;
        return path is not null && File.Exists(path)
            ? new PythonInterpreter.Found(path, PythonInterpreter.Oldest)
            : new PythonInterpreter.Missing($"The environment {environment.Value[..EnvironmentId.ShownLength]} is not there, or its interpreter has been removed. Deploy again to build it.");
    }
}
