namespace Dormouse.Cli.Tests.Drill;

public sealed class DrillCommandTests
{
    [Theory]
    [InlineData("--minutes", "0")]
    [InlineData("--minutes", "1441")]
    [InlineData("--rate", "-1")]
    [InlineData("--rate", "401")]
    [InlineData("--deadline", "0s")]
    [InlineData("--deadline", "soon")]
    public async Task An_option_out_of_range_is_refused_before_anything_is_made(string option, string value)
    {
        await using var server = await FakeServer.StartAsync();
        using var shell = new Shell(server);

        var result = await shell.RunAsync("drill", option, value);

        Assert.Equal(2, result.Code);
        Assert.Contains(option, result.Error, StringComparison.Ordinal);
        Assert.Empty(server.Requests);
    }

    [Fact]
    public async Task The_endpoint_is_deleted_also_when_its_first_deploy_is_refused()
    {
        await using var server = await FakeServer.StartAsync();
        server.ModelFault = "No.";
        using var shell = new Shell(server);

        var result = await shell.RunAsync("drill");

        Assert.Equal(4, result.Code);
        Assert.Contains("No.", result.Error, StringComparison.Ordinal);
        var deployed = Assert.Single(server.Requests, r => r.StartsWith("POST ", StringComparison.Ordinal));
        var name = deployed.Split('/')[4];
        Assert.StartsWith("drill-", name, StringComparison.Ordinal);
        Assert.Equal($"DELETE /api/v1/endpoints/{name}", server.Requests.Last());
    }
}
