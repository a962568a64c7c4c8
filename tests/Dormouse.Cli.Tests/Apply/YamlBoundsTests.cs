using Dormouse.Cli.Apply;
using Dormouse.Cli.Terminal;

namespace Dormouse.Cli.Tests.Apply;

/// <summary>Each of these files would else end the program without a sentence, or never.</summary>
public sealed class YamlBoundsTests : IDisposable
{
    private readonly Shell _shell = new();

    public static TheoryData<string, string> Refused => new()
    {
        { "steps: &a\n  a: *a\n", ":2: '*a' stands within what it means" },
        { "steps: " + new string('[', 100_000), ":1: It is nested deeper than 64." },
        { Doubling(), ":7: With its aliases written out it has more than 1000000 values." },
        { "steps:\n  ? [a]\n  : 1\n  ? [b]\n  : 2\n", ":2: A key is a list; it must be plain text." },
        { "steps:\n  ? { a: 1 }\n  : 1\n", ":2: A key is a mapping; it must be plain text." },
    };

    [Theory]
    [MemberData(nameof(Refused))]
    public async Task What_is_beyond_a_bound_is_refused_with_file_and_line(string text, string sentence)
    {
        var file = _shell.Write("read.yaml", text);

        foreach (var arguments in (string[][])[["deploy", file], ["apply", "-f", file], ["diff", "-f", file]])
        {
            var refused = await _shell.RunAsync(arguments);

            Assert.Equal(ExitCodes.Refused, refused.Code);
            Assert.Contains(file + sentence, refused.Error, StringComparison.Ordinal);
            Assert.DoesNotContain("Unexpected", refused.Error, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void Aliases_and_depth_within_the_bounds_are_read()
    {
        var list = string.Concat(Enumerable.Repeat("[", 60)) + string.Concat(Enumerable.Repeat("]", 60));

        var root = YamlPlaces.Load("read.yaml", $"base: &base {{ memory: 1GiB, list: {list} }}\na: *base\nb: [*base, *base]\n");

        Assert.Equal("""{"base":0,"a":0,"b":[0,0]}""", YamlJson.Of(root)!.ToJsonString().Replace($$"""{"memory":"1GiB","list":{{list}}}""", "0", StringComparison.Ordinal));
    }

    public void Dispose() => _shell.Dispose();

    /// <summary>Ten lists, each of nine of the one before: a billion values in 400 bytes.</summary>
    private static string Doubling() => "l0: &l0 [" + string.Join(',', Enumerable.Repeat("1", 9)) + "]\n"
        + string.Concat(Enumerable.Range(1, 10).Select(i => $"l{i}: &l{i} [{string.Join(", ", Enumerable.Repeat($"*l{i - 1}", 9))}]\n"));
}
