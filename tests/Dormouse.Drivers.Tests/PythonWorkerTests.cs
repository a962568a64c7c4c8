using System.Collections.Immutable;
using System.Net;
using System.Text.Json.Nodes;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Environments;
using Dormouse.Core.Instances;
using Dormouse.Core.Packages;
using Dormouse.Drivers.Python;
using Dormouse.Drivers.Tests.Support;

namespace Dormouse.Drivers.Tests;

/// <summary>The driver with the real launcher and the real runner of python/dormouse.</summary>
public sealed class PythonWorkerTests
{
    private const string App = """
        import os

        def handler(input):
            print("called with", input)
            return {"got": input, "mode": os.environ.get("MODE"), "here": sorted(os.listdir("."))}
        """;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_function_is_listed_inspected_started_called_and_cleared_away()
    {
        await using var fixture = await OpenAsync();
        Write(fixture, App);

        var listed = Assert.IsType<Inspection.Listed>(await InspectAsync(fixture, Spec(null), lists: true));
        var inspected = JsonNode.Parse(listed.Contents)!;
        Assert.StartsWith("python-3.", listed.EngineKey, StringComparison.Ordinal);
        Assert.Equal(("app.py", "handler"), (inspected["module"]!.GetValue<string>(), inspected["functions"]![0]!["name"]!.GetValue<string>()));

        var accepted = Assert.IsType<Inspection.Accepted>(await InspectAsync(fixture, Spec("app.py::handler")));
        Assert.Equal("python", JsonNode.Parse(accepted.Interface)!["platform"]!.GetValue<string>());

        var instance = Start(fixture, Spec("app.py::handler"));
        var ready = await fixture.Observer.WaitForAsync<InstanceReady>(instance);
        var answer = await PythonMachine.PostAsync(ready.Address, "{\"a\":1}");
        Assert.Equal(HttpStatusCode.OK, answer.Status);
        Assert.Equal((1, "fast", "app.py"), (answer.Body["got"]!["a"]!.GetValue<int>(), answer.Body["mode"]!.GetValue<string>(), answer.Body["here"]![0]!.GetValue<string>()));
        Assert.NotNull(answer.RunMicroseconds);
        await fixture.Observer.WaitForLineAsync(instance, "called with");

        fixture.Driver.Stop(instance, StopReason.Idle);
        await fixture.Observer.WaitForGoneAsync(instance);
    }

    [Fact]
    public async Task Python_workers_are_kept_ready_once_a_revision_needs_them_and_a_start_takes_one()
    {
        await using var fixture = await OpenAsync();
        Write(fixture, App);
        fixture.Driver.Expect(Spec("app.py::handler"));

        // A ready worker is not announced: one whose socket is there says so next, and a start that comes in between only finds it a little too early.
        const int ModelWorkers = 1;
        for (var instances = 0; instances < 50; instances++)
        {
            await PythonMachine.UntilAsync(() => Directory.GetFiles(fixture.Options.RunFolder, "*.sock").Length > ModelWorkers + instances);
            if ((await fixture.Observer.WaitForAsync<InstanceReady>(Start(fixture, Spec("app.py::handler")))).Rung == Rung.Pool)
                return;
        }

        Assert.Fail("No start found a worker ready.");
    }

    [Fact]
    public async Task Broken_code_is_refused_with_file_and_line_at_inspection_and_at_a_start()
    {
        await using var fixture = await OpenAsync();
        Write(fixture, "import os\n\nundefined_name\n\ndef handler(input):\n    return 1\n");

        var refused = Assert.IsType<Inspection.Refused>(await InspectAsync(fixture, Spec("app.py::handler")));
        Assert.Contains("app.py", refused.Reason, StringComparison.Ordinal);
        Assert.Contains("3", refused.Reason, StringComparison.Ordinal);
        Assert.Contains("undefined_name", refused.Reason, StringComparison.Ordinal);
        Assert.DoesNotContain(fixture.Folder, refused.Reason, StringComparison.Ordinal);

        var failure = await fixture.Observer.WaitForAsync<StartFailure>(Start(fixture, Spec("app.py::handler")));
        Assert.Equal(StartFailureKind.Model, failure.Kind);
        Assert.Contains("undefined_name", failure.Reason, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_function_that_is_not_there_is_refused_with_those_that_are()
    {
        await using var fixture = await OpenAsync();
        Write(fixture, App);

        var refused = Assert.IsType<Inspection.Refused>(await InspectAsync(fixture, Spec("app.py::missing")));

        Assert.Contains("'missing'", refused.Reason, StringComparison.Ordinal);
        Assert.Contains("handler", refused.Reason, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Code_that_ends_its_process_or_never_ends_is_refused_in_time()
    {
        await using var fixture = await OpenAsync();
        Write(fixture, "import os\nos._exit(3)\n");
        var ended = Assert.IsType<Inspection.Refused>(await InspectAsync(fixture, Spec(null), lists: true));
        Assert.Contains("exit code 3", ended.Reason, StringComparison.Ordinal);

        Write(fixture, "import time\ntime.sleep(1000)\n");
        var late = Assert.IsType<Inspection.Refused>(await InspectAsync(fixture, Spec(null), lists: true, limit: TimeSpan.FromSeconds(2)));
        Assert.Contains("longer than 2 s", late.Reason, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Without_an_interpreter_starts_and_inspections_say_what_is_missing_and_models_go_on()
    {
        await using var fixture = await DriverFixture.OpenAsync(change: options => options with { PythonCommand = "/no/such/python", PythonPackagePath = "/nowhere" });
        Write(fixture, App);

        var unavailable = Assert.IsType<Inspection.Unavailable>(await InspectAsync(fixture, Spec("app.py")));
        Assert.Contains("'/no/such/python'", unavailable.Reason, StringComparison.Ordinal);
        var failure = await fixture.Observer.WaitForAsync<StartFailure>(Start(fixture, Spec("app.py")));
        Assert.Equal(unavailable.Reason, failure.Reason);
        Assert.Contains(fixture.Driver.Probes, p => p is { Name: "python", Works: false } && p.Detail == unavailable.Reason);

        await fixture.StartReadyAsync();
    }

    [Fact]
    public async Task An_environment_is_built_and_its_interpreter_runs_what_names_it()
    {
        var environments = Directory.CreateTempSubdirectory("dormouse-environments-");
        try
        {
            var (package, python) = (PythonMachine.PackageFolder(), PythonMachine.Interpreter());
            await using var fixture = await DriverFixture.OpenAsync(change: options => options with { PythonCommand = python, PythonPackagePath = package, EnvironmentsFolder = environments.FullName });
            Write(fixture, "import sys\ndef handler(input):\n    return {\"prefix\": sys.prefix}\n");
            var spec = Spec("app.py::handler") with { PythonEnvironment = new EnvironmentId(new string('e', EnvironmentId.Length)) };
            Assert.Contains("is not there", Assert.IsType<Inspection.Unavailable>(await InspectAsync(fixture, spec)).Reason, StringComparison.Ordinal);
            var folder = environments.CreateSubdirectory(spec.PythonEnvironment.Value.Value);
            await File.WriteAllTextAsync(Path.Combine(folder.FullName, "requirements.txt"), "", Cancellation);
            var lines = new List<string>();

            var outcome = await fixture.Driver.Environments.BuildAsync(
                new() { Folder = folder.FullName, PackageFolder = fixture.PackageFolder, Python = null, SystemPackages = false },
                line =>
                {
                    lock (lines)
                        lines.Add(line);
                },
                Cancellation);

            var built = Assert.IsType<BuildOutcome.Built>(outcome);
            Assert.StartsWith("3.", built.Python, StringComparison.Ordinal);
            Assert.Contains(lines, l => l.StartsWith("building with ", StringComparison.Ordinal));
            Assert.IsType<Inspection.Accepted>(await InspectAsync(fixture, spec));
            var ready = await fixture.Observer.WaitForAsync<InstanceReady>(Start(fixture, spec));
            Assert.Equal(Path.Combine(folder.FullName, "venv"), (await PythonMachine.PostAsync(ready.Address, "1")).Body["prefix"]!.GetValue<string>());
            fixture.Driver.Environments.KeepReady([]);
            // Given up, not gone: who needs it again gets a pool again.
            await fixture.Observer.WaitForAsync<InstanceReady>(Start(fixture, spec));
        }
        finally
        {
            environments.Delete(recursive: true);
        }
    }

    [Fact]
    public async Task A_version_that_is_not_there_is_refused_with_those_that_are()
    {
        await using var fixture = await OpenAsync();

        var missing = Assert.IsType<InterpreterAnswer.Missing>(await fixture.Driver.Environments.FindAsync("3.99", Cancellation));
        var own = Assert.IsType<InterpreterAnswer.Found>(await fixture.Driver.Environments.FindAsync(null, Cancellation));

        Assert.Contains("python is '3.99'", missing.Reason, StringComparison.Ordinal);
        Assert.Contains(own.Version, missing.Reason, StringComparison.Ordinal);
        Assert.Equal(own, await fixture.Driver.Environments.FindAsync(own.Version, Cancellation));
    }

    [Fact]
    public async Task The_interpreter_says_where_it_is_and_which_version()
    {
        var found = await PythonInterpreter.FindAsync(PythonMachine.Interpreter(), TimeProvider.System, Cancellation);

        var python = Assert.IsType<PythonInterpreter.Found>(found);
        Assert.True(File.Exists(python.Path));
        Assert.True(python.Version >= PythonInterpreter.Oldest);
        Assert.IsType<PythonInterpreter.Missing>(await PythonInterpreter.FindAsync("/bin/true", TimeProvider.System, Cancellation));
    }

    private static async Task<DriverFixture> OpenAsync()
    {
        var package = PythonMachine.PackageFolder();
        var python = PythonMachine.Interpreter();
        return await DriverFixture.OpenAsync(change: options => options with { PythonCommand = python, PythonPackagePath = package });
    }

    private static void Write(DriverFixture fixture, string code)
    {
        File.Delete(Path.Combine(fixture.PackageFolder, "digits.onnx"));
        File.WriteAllText(Path.Combine(fixture.PackageFolder, "app.py"), code);
        File.WriteAllText(Path.Combine(fixture.PackageFolder, "digits.onnx"), "model");
    }

    private static Package Package => new([new PackageFile("app.py", new(new string('0', 64)), 5)]);

    private static RevisionSpec Spec(string? handler) => new()
    {
        Runtime = RuntimeKind.Python.Name,
        Handler = handler,
        MemoryMib = 256,
        Environment = ImmutableSortedDictionary<string, string>.Empty.Add("MODE", "fast"),
    };

    private static Task<Inspection> InspectAsync(DriverFixture fixture, RevisionSpec spec, bool lists = false, TimeSpan? limit = null) => fixture.Driver.InspectAsync(
        new() { Spec = spec, Package = Package, Folder = fixture.PackageFolder, Lists = lists, MemoryBytes = 512L << 20, TimeLimit = limit ?? TimeSpan.FromSeconds(60) },
        Cancellation);

    private static int _instances = 1000;

    private static InstanceId Start(DriverFixture fixture, RevisionSpec spec)
    {
        var instance = new InstanceId(new(new(Guid.Empty), 1), Interlocked.Increment(ref _instances));
        fixture.Driver.Start(new() { Instance = instance, Tenant = TenantId.Default, Spec = spec, Package = Package, Folder = fixture.PackageFolder, OptimisedPath = _ => null });
        return instance;
    }

}
