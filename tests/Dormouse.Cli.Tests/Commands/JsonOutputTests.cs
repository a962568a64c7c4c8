using System.Text.Json;
using Dormouse.Protocol.Control;
using Microsoft.AspNetCore.Http;

namespace Dormouse.Cli.Tests.Commands;

/// <summary>Every command of the contract that talks to a server, with <c>--output json</c>; <c>serve</c> and <c>quickstart</c> are in the end-to-end tests.</summary>
public sealed class JsonOutputTests : ServerTests
{
    public override async ValueTask InitializeAsync()
    {
        await base.InitializeAsync();
        (await Shell.RunAsync("deploy", Shell.Write("digits.onnx", "model"))).Done();
        (await Shell.RunAsync("deploy", Shell.Write("digits.onnx", "model two"))).Done();
        (await Shell.RunAsync("key", "create", "laptop")).Done();
        Shell.Write("dormouse.yaml", "endpoints: { iris: { source: digits.onnx } }");
        Server.Logs = [new LogLine(Shell.Time.GetUtcNow(), "r2/1", "loaded")];
        Server.Usage = new UsageReport
        {
            From = Shell.Time.GetUtcNow(),
            To = Shell.Time.GetUtcNow(),
            Currency = "USD",
            Rows = [],
            Total = new UsageRow(null, null, null, 0, 0, 0, 0, 0, 0, 0, "0", "0", "0"),
        };
        Server.Handlers["digits"] = async context =>
        {
            context.Response.ContentType = "application/json";
            await context.Response.WriteAsync("""{"outputs":[]}""");
        };
    }

    [Theory]
    [InlineData("deploy FOLDER/digits.onnx --name other", "revisions")]
    [InlineData("apply -f FOLDER/dormouse.yaml", "endpoints")]
    [InlineData("diff -f FOLDER/dormouse.yaml", "endpoints")]
    [InlineData("invoke digits --json {}", "answer")]
    [InlineData("list", "endpoints")]
    [InlineData("describe digits", "traffic")]
    [InlineData("describe digits --scaling", "scaling")]
    [InlineData("logs digits", "text")]
    [InlineData("revisions digits", "revisions")]
    [InlineData("traffic digits r1=90 r2=10", "traffic")]
    [InlineData("rollback digits --to r1", "traffic")]
    [InlineData("tag digits stable=r1", "tags")]
    [InlineData("stop digits", "done")]
    [InlineData("load digits", "done")]
    [InlineData("delete digits --yes", "done")]
    [InlineData("key create ci", "key")]
    [InlineData("key list", "keys")]
    [InlineData("key revoke k0", "done")]
    [InlineData("usage", "total")]
    [InlineData("doctor", "server")]
    [InlineData("version", "client")]
    [InlineData("completion bash", "script")]
    public async Task A_command_prints_one_document_and_nothing_else(string line, string member)
    {
        var arguments = line.Replace("FOLDER", Shell.Folder, StringComparison.Ordinal).Split(' ');

        var result = await Shell.RunAsync([.. arguments, "--output", "json"]);

        Assert.True(result.Code == (arguments[0] == "diff" ? 1 : 0), $"exit code {result.Code}: {result.Error}");
        Assert.True(result.Json.TryGetProperty(member, out var found) && found.ValueKind != JsonValueKind.Null, result.Out);
        Assert.Empty(result.Error);
    }
}
