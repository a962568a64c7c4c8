using System.Collections.Immutable;
using System.Text;
using System.Text.Json.Nodes;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Instances;
using Dormouse.Core.Packages;
using Dormouse.Core.Secrets;
using Dormouse.Drivers.Tests.Support;

namespace Dormouse.Drivers.Tests;

/// <summary>Secrets in instances, with the real launcher and the real runner.</summary>
public sealed class SecretTests
{
    private const string Password = "hunter2-hunter2", Pem = "-----BEGIN-----\nc2VjcmV0\n-----END-----\n";

    private const string App = """
        import dormouse, os, stat
        app = dormouse.App("a")
        read_at_import = os.environ["TOKEN"]

        @app.function()
        def look(fail: bool = False) -> dict:
            if fail:
                raise ValueError("cannot use " + os.environ["TOKEN"])
            folder = os.environ["DORMOUSE_SECRETS"]
            path = os.path.join(folder, "key.pem")
            with open(path) as file:
                pem = file.read()
            with open("/proc/self/environ", "rb") as file:
                started_with = file.read().decode()
            with open("/proc/self/cmdline", "rb") as file:
                command = file.read().decode()
            return {"token": os.environ["TOKEN"], "imported": read_at_import, "pem": pem, "folder": folder, "mode": oct(stat.S_IMODE(os.stat(path).st_mode)),
                    "shown": os.environ["TOKEN"] in started_with + command, "environment": [k for k in os.environ if k.startswith("DORMOUSE_SECRETS")]}
        """;

    private static readonly EndpointId Endpoint = new(Guid.Empty);
    private static int _instances;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(IsolationLevel.Process)]
    [InlineData(IsolationLevel.Sandbox)]
    public async Task An_instance_has_them_as_variables_and_files_and_nowhere_else(IsolationLevel isolation)
    {
        await using var fixture = await PythonMachine.OpenAsync(App, isolation);
        var secrets = Secrets(Password);
        var inspected = await fixture.Driver.InspectAsync(
            new InspectionRequest { Spec = Spec, Package = Package, Folder = fixture.PackageFolder, Secrets = secrets, MemoryBytes = 256 << 20, TimeLimit = TimeSpan.FromSeconds(60) }, Cancellation);
        Assert.IsType<Inspection.Accepted>(inspected);

        var (instance, ready) = await StartAsync(fixture, secrets);
        var seen = (await PythonMachine.PostAsync(ready.Address, "{}")).Body;

        Assert.Equal((Password, Password, Pem), (Text(seen, "token"), Text(seen, "imported"), Text(seen, "pem")));
        Assert.Equal(("0o400", false), (Text(seen, "mode"), seen["shown"]!.GetValue<bool>()));
        Assert.Equal(isolation == IsolationLevel.Sandbox, Text(seen, "folder") == "/run/secrets");
        var failed = (await PythonMachine.PostAsync(ready.Address, """{"fail":true}""")).Body;
        Assert.Equal("ValueError: cannot use ***", Text(failed, "detail"));
        fixture.Driver.Stop(instance, StopReason.Idle);
        await fixture.Observer.WaitForGoneAsync(instance);
        await PythonMachine.UntilAsync(() => !Directory.EnumerateDirectories(Path.GetDirectoryName(ready.Address)!, "*.secrets").Any());
    }

    [Fact]
    public async Task Code_that_raises_with_a_secret_in_its_words_is_refused_without_it()
    {
        await using var fixture = await PythonMachine.OpenAsync("import os\nraise ValueError('bad token ' + os.environ['TOKEN'])\n", IsolationLevel.Process);

        var instance = Start(fixture, Secrets(Password));

        Assert.Equal("ValueError: bad token *** (app.py:2)", (await fixture.Observer.WaitForAsync<StartFailure>(instance)).Reason);
    }

    [Theory]
    [InlineData(IsolationLevel.Process)]
    [InlineData(IsolationLevel.Sandbox)]
    public async Task A_secret_with_another_value_ends_the_template_and_forks_of_the_new_one_have_it(IsolationLevel isolation)
    {
        await using var fixture = await PythonMachine.OpenAsync(App, isolation);
        await StartAsync(fixture, Secrets(Password));
        await TemplateAsync(fixture);
        var (old, oldReady) = await StartAsync(fixture, Secrets(Password));
        Assert.Equal(Rung.Fork, oldReady.Rung);

        var (_, plain) = await StartAsync(fixture, Secrets("another-value"));
        Assert.NotEqual(Rung.Fork, plain.Rung);
        await TemplateAsync(fixture);
        var (_, fork) = await StartAsync(fixture, Secrets("another-value"));

        Assert.Equal(Rung.Fork, fork.Rung);
        var seen = (await PythonMachine.PostAsync(fork.Address, "{}")).Body;
        Assert.Equal(("another-value", "another-value", Pem), (Text(seen, "token"), Text(seen, "imported"), Text(seen, "pem")));
        // What runs is left alone.
        Assert.Equal(Password, Text((await PythonMachine.PostAsync(oldReady.Address, "{}")).Body, "token"));
        fixture.Driver.Stop(old, StopReason.Idle);
        await fixture.Observer.WaitForGoneAsync(old);
    }

    private static RevisionSpec Spec => new()
    {
        Runtime = RuntimeKind.Python.Name,
        Handler = "app.py::look",
        MemoryMib = 256,
        Secrets = ImmutableSortedDictionary<string, string>.Empty.Add("TOKEN", "token"),
        SecretFiles = ImmutableSortedDictionary<string, string>.Empty.Add("key.pem", "pem"),
    };

    private static Package Package => new([new PackageFile("app.py", new(new string('0', 64)), 5)]);

    private static string Text(JsonNode body, string member) => body[member]!.GetValue<string>();

    private static InstanceSecrets Secrets(string token) => new(
        [KeyValuePair.Create("TOKEN", Encoding.UTF8.GetBytes(token).ToImmutableArray())], [KeyValuePair.Create("key.pem", Encoding.UTF8.GetBytes(Pem).ToImmutableArray())]);

    private static Task TemplateAsync(DriverFixture fixture) => PythonMachine.UntilAsync(() => fixture.Driver.Template(new(Endpoint, 1)) is { } report && (report.State == TemplateState.Ready
        || (report.State == TemplateState.Refused ? throw new InvalidOperationException(report.Reason) : false)));

    private static InstanceId Start(DriverFixture fixture, InstanceSecrets secrets)
    {
        var instance = new InstanceId(new(Endpoint, 1), Interlocked.Increment(ref _instances));
        fixture.Driver.Start(new() { Instance = instance, Tenant = TenantId.Default, Spec = Spec, Package = Package, Folder = fixture.PackageFolder, Secrets = secrets, OptimisedPath = _ => null });
        return instance;
    }

    private static async Task<(InstanceId Instance, InstanceReady Ready)> StartAsync(DriverFixture fixture, InstanceSecrets secrets)
    {
        var instance = Start(fixture, secrets);
        return (instance, await fixture.Observer.WaitForAsync<InstanceReady>(instance));
    }
}
