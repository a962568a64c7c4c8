using System.Text.RegularExpressions;
using Dormouse.Protocol.Control;
using Dormouse.Server.Telemetry;
using Dormouse.Server.Tests.Fakes;
using Dormouse.Server.Tests.Gateway;
using Microsoft.Extensions.DependencyInjection;

namespace Dormouse.Server.Tests.Telemetry;

public sealed partial class InstanceMetricsTests
{
    private const string Nothing = "nothing";

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Instances_that_are_gone_are_not_scraped_any_more()
    {
        await using var server = await ControlServer.StartAsync();
        server.Services.GetRequiredService<MetricsExport>().Begin();
        (await server.DeployAsync("digits", "good", new RevisionSettings { MinInstances = 1 })).EnsureSuccessStatusCode();
        await UntilScrapedAsync(server, "1");

        (await server.Admin.DeleteAsync("/api/v1/endpoints/digits", Cancellation)).EnsureSuccessStatusCode();

        await UntilScrapedAsync(server, Nothing);
    }

    /// <summary>The exporter repeats a scrape that is younger than 0.3 s, so a change shows a little later.</summary>
    private static async Task UntilScrapedAsync(ControlServer server, string count)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(Cancellation);
        limit.CancelAfter(Conditions.Patience);
        using var tick = new PeriodicTimer(TimeSpan.FromMilliseconds(20));
        for (var seen = ""; seen != count;)
        {
            Assert.False(limit.IsCancellationRequested, $"{seen} was scraped for {Conditions.Patience.TotalSeconds} s instead of {count}.");
            await tick.WaitForNextTickAsync(CancellationToken.None);
            seen = ReadyOfDigits().Match(await server.Admin.GetStringAsync("/metrics", Cancellation)) is { Success: true } match ? match.Groups[1].Value : Nothing;
        }
    }

    [GeneratedRegex(@"^dormouse_instance_count\w*\{[^}]*endpoint=""digits""[^}]*state=""ready""[^}]*\} (\d+)", RegexOptions.Multiline)]
    private static partial Regex ReadyOfDigits();
}
