using System.Text.RegularExpressions;

namespace Dormouse.Architecture.Tests;

/// <summary>Rules of the house that a compiler does not know.</summary>
public sealed partial class HouseRulesTests
{
    [Fact]
    public void No_source_file_grows_beyond_400_lines()
    {
        var long_files = Sources("src").Select(f => (File: f, Lines: File.ReadLines(f).Count())).Where(f => f.Lines > 400)
            .Select(f => $"{Path.GetRelativePath(Checkout.Root, f.File)}: {f.Lines} lines");

        Assert.Empty(long_files);
    }

    [Fact]
    public void No_source_file_holds_a_leftover()
    {
        var leftovers = Sources("src").Where(f => Leftover.IsMatch(File.ReadAllText(f))).Select(f => Path.GetRelativePath(Checkout.Root, f));

        Assert.Empty(leftovers);
    }

    [Fact]
    public void No_test_sleeps()
    {
        var sleepers = Sources("tests").Where(f => Path.GetFileName(f) != "HouseRulesTests.cs" && Sleep.IsMatch(File.ReadAllText(f)))
            .Select(f => Path.GetRelativePath(Checkout.Root, f));

        Assert.Empty(sleepers);
    }

    [Fact]
    public void Folders_name_the_domain()
    {
        string[] empty = ["Services", "Models", "Interfaces", "Helpers", "Utils", "Common"];
        var found = Directory.GetDirectories(Path.Combine(Checkout.Root, "src"), "*", SearchOption.AllDirectories)
            .Where(d => empty.Contains(Path.GetFileName(d), StringComparer.Ordinal));

        Assert.Empty(found);
    }

    /// <summary>Whoever looks for a line of the log by its number finds one.</summary>
    [Fact]
    public void Every_event_has_a_number_of_its_own()
    {
        var twice = Sources("src").SelectMany(f => EventNumber.Matches(File.ReadAllText(f)).Select(m => (Number: m.Groups[1].Value, Name: m.Groups[2].Value)))
            .Distinct().GroupBy(e => e.Number).Where(g => g.Count() > 1).Select(g => $"{g.Key}: {string.Join(", ", g.Select(e => e.Name))}");

        Assert.Empty(twice);
    }

    [Fact]
    public void The_architecture_names_files_that_are_there()
    {
        // Names stand with their folders, with the last of them, or alone after others of the same folder; a project is named without the product.
        var files = new[] { "src", "tests", "python" }.SelectMany(f => Directory.EnumerateFiles(Path.Combine(Checkout.Root, f), "*", SearchOption.AllDirectories))
            .Select(f => "/" + Path.GetRelativePath(Checkout.Root, f).Replace("src/Dormouse.", "src/", StringComparison.Ordinal)).ToList();
        var missing = NamedFile.Matches(File.ReadAllText(Path.Combine(Checkout.Root, "docs", "architecture.md"))).Select(m => m.Groups[1].Value).Distinct()
            .Where(name => !files.Any(f => f.EndsWith("/" + name, StringComparison.Ordinal)));

        Assert.Empty(missing);
    }

    [GeneratedRegex("EventId = ([0-9]+), EventName = \"([A-Za-z]+)\"")]
    private static partial Regex EventNumber { get; }

    [GeneratedRegex("`([A-Za-z0-9_./]+\\.(?:cs|py))`")]
    private static partial Regex NamedFile { get; }

    [GeneratedRegex(@"\b(TODO|FIXME|HACK)\b|NotImplementedException")]
    private static partial Regex Leftover { get; }

    /// <summary>Waiting for ever (until cancelled) is no sleep.</summary>
    [GeneratedRegex(@"Thread\.Sleep\(|Task\.Delay\((?!Timeout\.)")]
    private static partial Regex Sleep { get; }

    private static IEnumerable<string> Sources(string folder) =>
        Directory.EnumerateFiles(Path.Combine(Checkout.Root, folder), "*.cs", SearchOption.AllDirectories)
            .Where(f => !f.Contains($"{Path.DirectorySeparatorChar}obj{Path.DirectorySeparatorChar}", StringComparison.Ordinal));
}
