using System.Net;
using System.Text.Json;
using System.Text.Json.Nodes;
using Dormouse.EndToEnd.Tests.Functions;
using Dormouse.EndToEnd.Tests.Inference;
using Dormouse.EndToEnd.Tests.Running;

namespace Dormouse.EndToEnd.Tests.Isolation;

/// <summary>The level <c>container</c> with a real server and a real runtime.</summary>
public sealed class ContainerLevelTests(ServerFixture fixture) : IClassFixture<ServerFixture>
{
    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    private RunningServer Server => fixture.Server;

    [Fact]
    public async Task A_function_in_a_container_gets_nothing_that_one_in_a_sandbox_does_not()
    {
        PythonApps.NeedPython();
        await NeedContainersAsync();
        using var files = new TemporaryFolder();
        await CommandRun.DoneAsync(Server, Cancelled, "deploy", files.Write("main.py", Attacker.Code), "--name", "boxed", "--memory", "1536MiB", "--isolation", "container");
        await CommandRun.DoneAsync(Server, Cancelled, "deploy", files.Write("main.py", PythonApps.Plain("belongs-to-the-neighbour")), "--name", "neighbour", "--memory", "128MiB");
        await CallAsync("neighbour", "1");

        // The container's first process is a shell of its own user with its own environment, which it may read; the server's is asked for below.
        foreach (var (what, attempt) in (IEnumerable<(string What, string Attempt)>)[.. EscapeTests.Attempts.Where(row => row.Attempt != "environment_of_others"), ("the server's port", $"connect 127.0.0.1:{Server.Address.Port}"), ("the server's environment", $"read_file /proc/{Server.ProcessId}/environ")])
        {
            var answer = JsonSerializer.Deserialize<string>(await CallAsync("boxed", JsonSerializer.Serialize(attempt)))!; // Not null: it always says something.
            Assert.True(answer.StartsWith("refused", StringComparison.Ordinal), $"It got {what}: {answer}");
        }

        await CallAsync("neighbour", "1");
        Assert.Matches(@"isolation\s+container", (await CommandRun.DoneAsync(Server, Cancelled, "describe", "boxed")).Output);
    }

    [Fact]
    public async Task A_model_in_a_container_answers()
    {
        await NeedContainersAsync();

        await Digits.DeployAsync(Server, "shut-digits", Cancelled, new JsonObject { ["isolation"] = "container" });

        var scores = (await InferCall.SendAsync(Server, "shut-digits", [Digits.Input(20)], binary: true, Cancelled))["scores"].Doubles();
        Assert.Equal(10, scores.Length);
    }

    private async Task<string> CallAsync(string endpoint, string json)
    {
        var call = await PythonApps.CallAsync(Server, endpoint, json, Cancelled);
        Assert.True(call.Status == HttpStatusCode.OK, call.Text);
        return call.Text;
    }

    private async Task NeedContainersAsync()
    {
        var container = await Doctor.CheckAsync(Server, "container", Cancelled);
        if (container["status"]!.GetValue<string>() != "ok")
        {
            Assert.Skip("No container can be made here: " + container["detail"]);
        }
    }
}
