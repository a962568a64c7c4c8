using Dormouse.Cli.Terminal;

namespace Dormouse.Cli.Tests.Simulation;

public sealed class RecordTests : ServerTests
{
    private static readonly DateTimeOffset Noon = new(2026, 11, 28, 12, 0, 0, TimeSpan.Zero);

    public override async ValueTask InitializeAsync()
    {
        await base.InitializeAsync();

        // The second began to run later than the third, and came before it.
        Server.ArrivalPages =
        [
            new([new(Noon.AddSeconds(1), "digits", 2.5, 512), new(Noon.AddSeconds(3.5), "iris", 0.25, 64)], "1"),
            new([new(Noon.AddSeconds(2.25), "digits", 1, 512)], null),
        ];
    }

    [Fact]
    public async Task The_trace_has_every_page_in_order_of_arrival()
    {
        var result = (await Shell.RunAsync("record", "--file", "-")).Done();

        Assert.Equal("time_s,endpoint,run_ms,memory_mib\n0,digits,2.5,512\n1.25,digits,1,512\n2.5,iris,0.25,64\n", result.Out);
    }

    [Fact]
    public async Task What_was_recorded_can_be_simulated()
    {
        var file = Path.Combine(Path.GetDirectoryName(Shell.Write("any", ""))!, "arrivals.csv");

        var recorded = (await Shell.RunAsync("record", "--file", file)).Done();
        var simulated = (await Shell.RunAsync("simulate", "--trace", file, "--output", "json")).Done();

        Assert.StartsWith("3 invocations of 2 endpoints within 2.5 s are in ", recorded.Out, StringComparison.Ordinal);
        Assert.Equal(3, simulated.Json.GetProperty("policies")[0].GetProperty("answered").GetInt64());
    }

    [Fact]
    public async Task A_file_that_is_there_stays_unless_forced()
    {
        var file = Shell.Write("arrivals.csv", "kept");

        var refused = await Shell.RunAsync("record", "--file", file);
        Assert.Equal(ExitCodes.Refused, refused.Code);
        Assert.Contains("--force", refused.Error, StringComparison.Ordinal);
        Assert.Equal("kept", await File.ReadAllTextAsync(file, TestContext.Current.CancellationToken));

        (await Shell.RunAsync("record", "--file", file, "--force")).Done();
        Assert.StartsWith("time_s,", await File.ReadAllTextAsync(file, TestContext.Current.CancellationToken), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_time_without_calls_makes_no_file()
    {
        Server.ArrivalPages = [new([], null)];
        var file = Path.Combine(Path.GetDirectoryName(Shell.Write("any", ""))!, "none.csv");

        var result = await Shell.RunAsync("record", "--file", file, "--from", "1h");

        Assert.Equal(ExitCodes.Refused, result.Code);
        Assert.Contains("Nothing was called", result.Error, StringComparison.Ordinal);
        Assert.False(File.Exists(file));
    }

    [Fact]
    public async Task A_start_after_the_end_is_refused()
    {
        var result = await Shell.RunAsync("record", "--file", "-", "--from", "1h", "--to", "2h");

        Assert.Equal(ExitCodes.Usage, result.Code);
    }
}
