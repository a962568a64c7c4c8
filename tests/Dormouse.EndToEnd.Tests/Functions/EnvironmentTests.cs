using System.Net;
using Dormouse.EndToEnd.Tests.Running;

namespace Dormouse.EndToEnd.Tests.Functions;

/// <summary>Functions with environments of their own, built by the real pip from wheels that the tests write.</summary>
public sealed class EnvironmentTests
{
    /// <summary>Imports at its top what only its environment has.</summary>
    private const string App = """
        import dormouse
        import ours_of_the_test

        NEEDED = ["Ours_Of.The-Test == 1.0"]
        app = dormouse.App("needy")

        @app.function(pip=NEEDED, memory="192MiB")
        def value() -> dict:
            import sys
            return {"value": ours_of_the_test.VALUE, "word": "WORD", "prefix": sys.prefix}
        """;

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Fact]
    public async Task An_app_gets_what_it_names_once_and_keeps_serving_when_the_next_cannot_be_had()
    {
        PythonApps.NeedPython();
        await using var server = await RunningServer.StartAsync(Cancelled);
        using var files = new TemporaryFolder();
        var app = files.Write("app.py", App);
        files.Write("requirements.txt", "--no-index\n--find-links ./wheels  # nothing comes from elsewhere\n");
        var wheels = Path.Combine(Path.GetDirectoryName(app)!, "wheels");
        Directory.CreateDirectory(wheels);
        await File.WriteAllBytesAsync(Path.Combine(wheels, SmallWheel.NameOf("ours_of_the_test", "1.0")), SmallWheel.Make("ours_of_the_test", "1.0", "VALUE = 41\n"), Cancelled);

        var first = await CommandRun.DoneAsync(server, Cancelled, "deploy", app);

        Assert.Contains("building environment", first.Error, StringComparison.Ordinal);
        Assert.Contains("Successfully installed", first.Error, StringComparison.Ordinal);
        Assert.Equal(41, (await ValueAsync(server))["value"]!.GetValue<int>());
        var environment = Assert.Single((await CommandRun.DoneAsync(server, Cancelled, "environment", "list", "--output", "json")).Json["environments"]!.AsArray())!;
        var id = environment["id"]!.GetValue<string>();
        Assert.Equal(["ours_of_the_test==1.0"], environment["packages"]!.AsArray().Select(p => p!.GetValue<string>().Replace('-', '_')));
        Assert.Equal(["needy r1"], environment["used_by"]!.AsArray().Select(u => u!.GetValue<string>()));
        Assert.Contains(id[..12], (await CommandRun.DoneAsync(server, Cancelled, "environment", "list")).Output, StringComparison.Ordinal);
        Assert.Contains(id, (await CommandRun.DoneAsync(server, Cancelled, "describe", "needy")).Output, StringComparison.Ordinal);
        Assert.Equal(4, (await CommandRun.OfAsync(server, Cancelled, "environment", "delete", id)).ExitCode);

        // Other code, the same needs: nothing is built.
        files.Write("app.py", App.Replace("WORD", "changed", StringComparison.Ordinal));
        var second = await CommandRun.DoneAsync(server, Cancelled, "deploy", app);
        Assert.DoesNotContain("building environment", second.Error, StringComparison.Ordinal);
        Assert.Equal("changed", (await ValueAsync(server))["word"]!.GetValue<string>());

        // What cannot be had ends the deploy with pip's own words.
        var failed = await CommandRun.OfAsync(server, Cancelled, "deploy", app, "--pip", "no-such-package-of-the-test");
        Assert.Equal(4, failed.ExitCode);
        Assert.Contains("No matching distribution found for no-such-package-of-the-test", failed.Error, StringComparison.Ordinal);
        Assert.Equal("changed", (await ValueAsync(server))["word"]!.GetValue<string>());
        Assert.Equal(4, (await CommandRun.OfAsync(server, Cancelled, "deploy", app, "--python", "3.99")).ExitCode);

        // One that is lost is built again by the start that needs it.
        await CommandRun.DoneAsync(server, Cancelled, "stop", "needy");
        await Waiting.UntilAsync(async () => (await server.InstancesAsync("needy", Cancelled)).Count == 0, "no instance is left", Cancelled);
        File.Delete(Path.Combine(server.Data, "environments", id, "environment.json"));
        Assert.Equal(Path.Combine(server.Data, "environments", id, "venv"), (await ValueAsync(server))["prefix"]!.GetValue<string>());
    }

    private static async Task<System.Text.Json.Nodes.JsonNode> ValueAsync(RunningServer server)
    {
        var call = await PythonApps.CallAsync(server, "needy", "{}", Cancelled);
        Assert.True(call.Status == HttpStatusCode.OK, call.Text);
        return call.Json;
    }
}
