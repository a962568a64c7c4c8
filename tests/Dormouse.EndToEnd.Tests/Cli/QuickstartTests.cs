using Dormouse.EndToEnd.Tests.Running;

namespace Dormouse.EndToEnd.Tests.Cli;

public sealed class QuickstartTests
{
    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Quickstart_shows_the_main_job_and_the_second_run_reuses_everything()
    {
        using var files = new TemporaryFolder();
        var environment = new Dictionary<string, string> { ["DORMOUSE_DATA"] = Path.Combine(files.Root, "data") };

        var first = await CommandRun.AnyAsync(environment, ["quickstart", "--once"], Cancelled);
        var second = await CommandRun.AnyAsync(environment, ["quickstart", "--once"], Cancelled);

        first.AssertExit(0);
        second.AssertExit(0);
        Assert.All([first, second], run =>
        {
            Assert.Contains("warm", run.Output, StringComparison.Ordinal);
            Assert.Contains("cold (", run.Output, StringComparison.Ordinal);
            Assert.Contains("cold (from zero)", run.Output, StringComparison.Ordinal);
            Assert.Contains("7 (", run.Output, StringComparison.Ordinal);
            Assert.Contains("USD", run.Output, StringComparison.Ordinal);
            Assert.Contains("  curl -H ", run.Output, StringComparison.Ordinal);
        });
        Assert.Contains("digits r1: ", first.Error, StringComparison.Ordinal);
        Assert.Contains("digits is deployed already", second.Error, StringComparison.Ordinal);
    }
}
