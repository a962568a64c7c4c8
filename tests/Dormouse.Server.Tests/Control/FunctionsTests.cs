using System.Text.RegularExpressions;
using Dormouse.Core.Endpoints;
using Dormouse.Protocol.Control;
using Dormouse.Protocol.Problems;
using Dormouse.Server.Deploying;
using Dormouse.Server.Tests.Fakes;

namespace Dormouse.Server.Tests.Control;

public sealed partial class FunctionsTests
{
    private const string Inspected = """
        {"module":"app.py","app":"shop","load_microseconds":7000,"functions":[
          {"name":"price","kind":"function","stream":false,"doc":"What it costs.","schema":{"input":{"type":"object"},"output":{"type":"number"}},
           "settings":{"memory":"1GiB","concurrency":4,"timeout":"5s","environment":{"A":"1"},"system_packages":true,"python":"3.11","isolation":"process","network":"outbound","pip":[],"reserve_cpu":0.5,"target_concurrency":2.5,"keep_alive":"fixed","floors":["0 8 * * * for 1h = 1"]}},
          {"name":"Cart.add","kind":"method","settings":{"cpu":"many","pip":["numpy"],"schedule":"@daily","network":7}}]}
        """;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Functions_come_with_the_settings_that_a_deploy_takes_and_what_cannot_be_done()
    {
        await using var server = await ControlServer.StartAsync();

        var list = await ControlServer.ReadAsync(await PostAsync(server, Inspected), ControlJson.Default.FunctionList);

        Assert.Equal(("app.py", "shop", "3.11", 14.0), (list.Module, list.App, list.Python, list.LoadMs));
        var (price, add) = (list.Functions[0], list.Functions[1]);
        Assert.Equal(("python", "app.py::price", "1GiB", 4, "5s", "1"), (price.Settings.Runtime, price.Settings.Handler, price.Settings.Memory, price.Settings.Concurrency?.Number, price.Settings.Timeout, price.Settings.Environment?["A"]));
        Assert.Empty(price.Unmet);
        Assert.Equal(("process", "outbound"), (price.Settings.Isolation, price.Settings.Network));
        Assert.Equal((0.5, 2.5, "fixed", 1), (price.Settings.ReserveCpu, price.Settings.TargetConcurrency, price.Settings.KeepAlive, price.Settings.Floors?.Length));
        Assert.Equal(("What it costs.", "number"), (price.Doc, price.Output?.GetProperty("type").GetString()));
        Assert.Equal("app.py::Cart.add", add.Settings.Handler);
        Assert.Equal((null, "@daily"), (price.Schedule, add.Schedule));
        Assert.Equal(["numpy"], add.Settings.Pip);
        Assert.Equal(("3.11", true), (price.Settings.Python, price.Settings.SystemPackages));
        Assert.Equal(1, server.Environments.Builds);
        Assert.Equal(2, add.Unmet.Length);
        foreach (var setting in (string[])["cpu", "network"])
        {
            Assert.Contains(add.Unmet, u => u.StartsWith($"Cart.add: {setting} is ", StringComparison.Ordinal));
        }
    }

    [Fact]
    public void A_decorator_says_each_setting_of_a_revision_that_is_of_functions()
    {
        var python = File.ReadAllText(Path.Combine(Checkout.Root, "python", "dormouse", "_settings.py"));
        var names = Names().Match(python).Groups[1].Value.Split(',').Select(n => n.Trim().Trim('"')).Where(n => n.Length > 0);
        var page = File.ReadAllText(Path.Combine(Checkout.Root, "docs", "python.md"));
        var table = page[page.IndexOf("### Settings", StringComparison.Ordinal)..page.IndexOf("## Environments", StringComparison.Ordinal)];
        var documented = Row().Matches(table).SelectMany(m => m.Groups[1].Value.Split(',')).Select(n => n.Trim().Trim('`'));
        var expected = DecoratorSettings.Plain.Append("schedule").Order(StringComparer.Ordinal).ToList();

        Assert.Empty(DecoratorSettings.Others.Except(ControlJson.Default.RevisionSettings.Properties.Select(p => p.Name)));
        Assert.Equal(expected, names.Order(StringComparer.Ordinal));
        Assert.Equal(expected, documented.Where(n => n != "setting").Order(StringComparer.Ordinal));
    }

    [Theory]
    [InlineData(null, null, IsolationLevel.Process, NetworkAccess.Outbound)]
    [InlineData("sandbox", null, IsolationLevel.Sandbox, NetworkAccess.Outbound)]
    [InlineData(null, "none", IsolationLevel.Sandbox, NetworkAccess.None)]
    public async Task A_file_is_imported_with_the_network_of_its_functions_unless_the_caller_says_another(string? isolation, string? network, IsolationLevel level, NetworkAccess access)
    {
        await using var server = await ControlServer.StartAsync();
        var request = new FunctionsRequest { Files = [await server.UploadAsync("app.py", Inspected)], Isolation = isolation, Network = network };

        using var response = await server.Admin.PostAsync("/api/v1/functions", ControlServer.Json(request, ControlJson.Default.FunctionsRequest), Cancellation);

        Assert.True(response.IsSuccessStatusCode);
        Assert.All(server.Inspector.Imports, spec => Assert.Equal((level, access), (spec.Isolation, spec.Network)));
        Assert.NotEmpty(server.Inspector.Imports);
    }

    [Fact]
    public async Task Code_that_cannot_be_imported_is_refused_with_its_line()
    {
        await using var server = await ControlServer.StartAsync();

        var problem = await ControlServer.ProblemAsync(await PostAsync(server, "bad"), ProblemCode.CodeInvalid);

        Assert.Contains("app.py:1: NameError", problem.Detail, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Files_of_another_tenant_or_without_code_are_refused()
    {
        await using var server = await ControlServer.StartAsync();
        var file = await server.UploadAsync("app.py", Inspected);
        var body = ControlServer.Json(new FunctionsRequest { Files = [file] }, ControlJson.Default.FunctionsRequest);
        using var elsewhere = await server.Admin.PostAsync("/t/acme/api/v1/functions", body, Cancellation);
        await ControlServer.ProblemAsync(elsewhere, ProblemCode.BlobNotFound);

        var text = await server.UploadAsync("notes.txt", "x");
        using var none = await server.Admin.PostAsync("/api/v1/functions", ControlServer.Json(new FunctionsRequest { Files = [text] }, ControlJson.Default.FunctionsRequest), Cancellation);
        await ControlServer.ProblemAsync(none, ProblemCode.PackageInvalid);
    }

    [Fact]
    public async Task A_deployed_function_has_its_own_address_and_interface()
    {
        await using var server = await ControlServer.StartAsync();
        var file = await server.UploadAsync("app.py", Inspected);
        using var response = await server.PostDeployAsync("price", new DeployRequest { Files = [file], Settings = new RevisionSettings { Runtime = "python", Handler = "app.py::price" } });

        var revision = await ControlServer.ReadAsync(response, ControlJson.Default.RevisionInfo);

        Assert.Equal(("ready", "app.py::price", "function", false), (revision.State, revision.Settings.Handler, revision.Interface?.Function?.Kind, revision.Optimised));
        Assert.EndsWith("/invoke/price", (await server.EndpointAsync("price")).Url, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_refused_deploy_says_why_and_leaves_what_served()
    {
        await using var server = await ControlServer.StartAsync();
        var settings = new RevisionSettings { Runtime = "python" };
        using var first = await server.PostDeployAsync("price", new DeployRequest { Files = [await server.UploadAsync("app.py", Inspected)], Settings = settings });
        Assert.True(first.IsSuccessStatusCode);

        var refused = await server.PostDeployAsync("price", new DeployRequest { Files = [await server.UploadAsync("app.py", "bad")], Settings = settings });
        await ControlServer.ProblemAsync(refused, ProblemCode.CodeInvalid);
        var missing = await server.PostDeployAsync("price", new DeployRequest { Files = [await server.UploadAsync("app.py", Inspected)], Settings = settings with { Handler = "main.py::f" } });
        await ControlServer.ProblemAsync(missing, ProblemCode.PackageInvalid);

        Assert.Equal(100, (await server.EndpointAsync("price")).Traffic["r1"]);
    }

    private static async Task<HttpResponseMessage> PostAsync(ControlServer server, string code) => await server.Admin.PostAsync(
        "/api/v1/functions", ControlServer.Json(new FunctionsRequest { Files = [await server.UploadAsync("app.py", code)] }, ControlJson.Default.FunctionsRequest), Cancellation);

    /// <summary>The tuple of all names.</summary>
    [GeneratedRegex(@"^NAMES = \(([^)]*)\)", RegexOptions.Multiline)]
    private static partial Regex Names();

    [GeneratedRegex(@"^\| ([^|]+) \|", RegexOptions.Multiline)]
    private static partial Regex Row();
}
