using Dormouse.Cli.Terminal;

namespace Dormouse.Cli.Tests.Simulation;

public sealed class SimulateTests : IDisposable
{
    private const string Recording = """
        {
          "format": "kpa-trace-1", "name": "small", "settings": {},
          "samples": [[0, 0.5, 1], [1, 0.5, 1], [2, 0.5, 1]], "ticks": [[2, 0, 0.5, 0.5, 1, 1, 0, 0, -211]]
        }
        """;

    private readonly Shell _shell = new();

    public void Dispose() => _shell.Dispose();

    [Fact]
    public async Task Equal_decisions_end_with_0()
    {
        var result = (await _shell.RunAsync("simulate", "--kpa", _shell.Write("small.json", Recording))).Done();

        Assert.Contains("the same", result.Out, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_difference_is_shown_and_ends_with_1()
    {
        var equal = _shell.Write("small.json", Recording);
        var other = _shell.Write("other.json", Recording.Replace("0.5, 1, 1, 0", "0.5, 2, 1, 0", StringComparison.Ordinal));

        var table = await _shell.RunAsync("simulate", "--kpa", equal, "--kpa", other);
        var json = await _shell.RunAsync("simulate", "--kpa", other, "--output", "json");

        Assert.Equal(ExitCodes.Failed, table.Code);
        Assert.Equal([other, "1", "2", "desired_pods", "2", "1", "differs"], table.Out.Split('\n')[2].Split(' ', StringSplitOptions.RemoveEmptyEntries));
        Assert.Equal(ExitCodes.Failed, json.Code);
        var difference = json.Json.GetProperty("replays")[0].GetProperty("first_difference");
        Assert.Equal("desired_pods", difference.GetProperty("column").GetString());
        Assert.Equal(2, difference.GetProperty("second").GetInt64());
    }

    [Theory]
    [InlineData("{}", "'format' is ''")]
    [InlineData("no", "It is not JSON")]
    public async Task A_file_that_is_no_recording_is_refused_with_its_name(string content, string reason)
    {
        var file = _shell.Write("bad.json", content);

        var result = await _shell.RunAsync("simulate", "--kpa", file);

        Assert.Equal(ExitCodes.Refused, result.Code);
        Assert.Contains($"{file} cannot be replayed. {reason}", result.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_file_that_is_not_there_is_named()
    {
        var result = await _shell.RunAsync("simulate", "--kpa", "nowhere.json");

        Assert.Equal(ExitCodes.Refused, result.Code);
        Assert.Contains("There is no recording 'nowhere.json'", result.Error, StringComparison.Ordinal);
    }
}
