using System.Text.Json.Nodes;

namespace Dormouse.EndToEnd.Tests.Running;

/// <summary>What a server says of this machine. It answers before it has looked everywhere (the launcher reports a moment after the start), so a row is waited for.</summary>
internal static class Doctor
{
    /// <summary>The row of this name; where there are several, the first.</summary>
    public static async Task<JsonNode> CheckAsync(RunningServer server, string name, CancellationToken cancellationToken)
    {
        JsonNode? found = null;
        await Waiting.UntilAsync(
            async () =>
            {
                var report = await server.GetAsync("/api/v1/doctor", cancellationToken);
                found = report["checks"]!.AsArray().FirstOrDefault(check => check!["name"]!.GetValue<string>() == name);
                return found is not null;
            },
            $"the doctor has a row '{name}'", cancellationToken);
        return found!; // Not null: the wait ended.
    }

    /// <summary>Skips the test, with the doctor's words, where no sandbox can be made.</summary>
    public static async Task NeedSandboxAsync(RunningServer server, CancellationToken cancellationToken)
    {
        var sandbox = await CheckAsync(server, "sandbox", cancellationToken);
        if (sandbox["status"]!.GetValue<string>() != "ok")
        {
            Assert.Skip("No sandbox can be made here: " + sandbox["detail"]);
        }
    }
}
