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

    [GeneratedRegex(@"\b(TODO|FIXME|HACK)\b|NotImplementedException")]
    private static partial Regex Leftover { get; }

    /// <summary>Waiting for ever (until cancelled) is no sleep.</summary>
    [GeneratedRegex(@"Thread\.Sleep\(|Task\.Delay\((?!Timeout\.)")]
    private static partial Regex Sleep { get; }

    private static IEnumerable<string> Sources(string folder) =>
        Directory.EnumerateFiles(Path.Combine(Checkout.Root, folder), "*.cs", SearchOption.AllDirectories)
            .Where(f => !f.Contains($"{Path.DirectorySeparatorChar}obj{Path.DirectorySeparatorChar}", StringComparison.Ordinal));
}
