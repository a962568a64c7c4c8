using System.Net;
using System.Text.Json.Nodes;
using Dormouse.EndToEnd.Tests.Running;

namespace Dormouse.EndToEnd.Tests.Functions;

/// <summary>What a start reads is heard from outside of whatever its worker runs in.</summary>
public sealed class StartRecordTests
{
    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Fact]
    public async Task The_first_start_of_a_function_is_recorded_by_the_files_that_it_opened_in_their_order()
    {
        PythonApps.NeedPython();
        await using var server = await RunningServer.StartAsync(Cancelled);
        using var files = new TemporaryFolder();
        var main = files.Write("main.py", "import second\nTABLE = open('table.txt').read()\n\ndef handler(input):\n    import late\n    return len(TABLE) + second.ONE + late.TWO\n");
        files.Write("second.py", "ONE = 1\n");
        files.Write("late.py", "TWO = 2\n");
        files.Write("table.txt", "0123456789");
        files.Write("unused.py", "THREE = 3\n");
        await CommandRun.DoneAsync(server, Cancelled, "deploy", Path.GetDirectoryName(main)!, "--name", "recorded");

        var call = await PythonApps.CallAsync(server, "recorded", "1", Cancelled);
        Assert.Equal((HttpStatusCode.OK, "13"), (call.Status, call.Text));
        await CommandRun.DoneAsync(server, Cancelled, "stop", "recorded");

        var packages = Path.Combine(server.Data, "packages");
        await Waiting.UntilAsync(() => Directory.GetFiles(packages, "*.start-python.json").Length == 1, "the start is recorded", Cancelled);
        var record = JsonNode.Parse(await File.ReadAllTextAsync(Directory.GetFiles(packages, "*.start-python.json")[0], Cancelled))!;
        var own = record["files"]!.AsArray().Where(f => f!["place"]!.GetValue<string>() == "Package").Select(f => f!["path"]!.GetValue<string>());
        Assert.Equal(["main.py", "second.py", "table.txt", "late.py"], own);
    }
}
