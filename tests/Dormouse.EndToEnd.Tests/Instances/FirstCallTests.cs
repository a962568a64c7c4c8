using Dormouse.EndToEnd.Tests.Inference;
using Dormouse.EndToEnd.Tests.Running;

namespace Dormouse.EndToEnd.Tests.Instances;

/// <summary>What a server compiled for its first calls, which its next start compiles before somebody waits for it.</summary>
public sealed class FirstCallTests
{
    /// <summary>Only a call needs it compiled.</summary>
    private const string OfCalls = "Gateway.InvocationRunner+";

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Fact]
    public async Task What_the_first_call_compiles_is_compiled_by_the_next_start_without_a_call()
    {
        using var folder = new TemporaryFolder();
        string data;
        await using (var server = await RunningServer.StartAsync(Cancelled, environment: Log(folder, "first")))
        {
            data = server.Data;
            await Digits.DeployAsync(server, "digits", Cancelled);
            Assert.DoesNotContain(OfCalls, Compiled(folder, "first"), StringComparison.Ordinal);

            await InferCall.SendAsync(server, "digits", [Digits.Input(7)], binary: true, Cancelled);

            await Waiting.UntilAsync(() => Compiled(folder, "first").Contains(OfCalls, StringComparison.Ordinal), "the call is compiled", Cancelled);
            await Waiting.UntilAsync(() => File.Exists(Path.Combine(data, "compiled", "first-calls")), "what was compiled is kept", Cancelled);
        }

        await using var next = await RunningServer.StartAsync(Cancelled, data, Log(folder, "next"));

        await Waiting.UntilAsync(() => Compiled(folder, "next").Contains(OfCalls, StringComparison.Ordinal), "what calls need is compiled", Cancelled);
    }

    [Fact]
    public async Task What_is_damaged_or_cannot_be_read_does_no_harm()
    {
        string data;
        await using (var server = await RunningServer.StartAsync(Cancelled))
        {
            data = server.Data;
            await Digits.DeployAsync(server, "digits", Cancelled);
        }

        var folder = Directory.CreateDirectory(Path.Combine(data, "compiled"));
        await File.WriteAllBytesAsync(Path.Combine(folder.FullName, "first-calls"), [.. Enumerable.Repeat((byte)0x5A, 100_000)], Cancelled);
        await using (var server = await RunningServer.StartAsync(Cancelled, data))
        {
            Assert.Equal(10, (await InferCall.SendAsync(server, "digits", [Digits.Input(7)], binary: true, Cancelled))["scores"].Count);
            await Waiting.UntilAsync(() => new FileInfo(Path.Combine(folder.FullName, "first-calls")).Length != 100_000, "it is made anew", Cancelled);
        }

        File.Delete(Path.Combine(folder.FullName, "first-calls"));
        Directory.CreateDirectory(Path.Combine(folder.FullName, "first-calls"));
        await using var last = await RunningServer.StartAsync(Cancelled, data);
        Assert.Equal(10, (await InferCall.SendAsync(last, "digits", [Digits.Input(7)], binary: true, Cancelled))["scores"].Count);
    }

    private static Dictionary<string, string> Log(TemporaryFolder folder, string name) =>
        new() { ["DOTNET_JitStdOutFile"] = Path.Combine(folder.Root, name), ["DOTNET_JitDisasmSummary"] = "1" };

    /// <summary>The methods that were compiled so far. The runtime goes on writing.</summary>
    private static string Compiled(TemporaryFolder folder, string name)
    {
        using var stream = new FileStream(Path.Combine(folder.Root, name), FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
        using var reader = new StreamReader(stream);
        return reader.ReadToEnd();
    }
}
