using System.Collections.Immutable;
using Dormouse.Core.Environments;
using Dormouse.Protocol.Control;
using Dormouse.Protocol.Problems;
using Dormouse.Server.Environments;
using Dormouse.Server.Tests.Fakes;
using Microsoft.Extensions.DependencyInjection;

namespace Dormouse.Server.Tests.Environments;

/// <summary>Environments through the control plane and on disk; what builds them is a fake.</summary>
public sealed class EnvironmentTests
{
    private const string Code = """{"module":"app.py","app":null,"load_microseconds":7000,"functions":[{"name":"handler","kind":"handle","stream":false}]}""";

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_deploy_builds_what_it_names_once_and_every_revision_that_names_the_same_shares_it()
    {
        await using var server = await ControlServer.StartAsync();

        var first = await DeployedAsync(server, "one", Pip("Num_Py == 1.26", "six"));
        var second = await DeployedAsync(server, "two", Pip("six", "num-py==1.26"));
        var other = await DeployedAsync(server, "three", Pip("six"));

        Assert.NotNull(first.PythonEnvironment);
        Assert.Equal(first.PythonEnvironment, second.PythonEnvironment);
        Assert.NotEqual(first.PythonEnvironment, other.PythonEnvironment);
        Assert.Equal(2, server.Environments.Builds);
        var list = await ListAsync(server);
        var shared = list.Single(e => e.Id == first.PythonEnvironment);
        Assert.Equal(("ready", "3.11.7", 4096L), (shared.State, shared.Python, shared.SizeBytes));
        Assert.Equal(["num-py==1.26", "six"], shared.Requirements);
        Assert.Equal(["one r1", "two r1"], shared.UsedBy.Order());
        var info = await GetAsync(server, shared.Id);
        Assert.Equal(["Collecting"], info.Log);
    }

    [Fact]
    public async Task Requirements_txt_counts_without_being_named_and_not_when_that_is_said()
    {
        await using var server = await ControlServer.StartAsync();
        var files = ImmutableArray.Create(await server.UploadAsync("app.py", Code), await server.UploadAsync("requirements.txt", "six # for everything\n"));

        var counted = await DeployedAsync(server, "one", new RevisionSettings { Runtime = "python" }, files);
        var not = await DeployedAsync(server, "two", new RevisionSettings { Runtime = "python", Requirements = "none" }, files);

        Assert.Equal("requirements.txt", counted.Settings.Requirements);
        Assert.NotNull(counted.PythonEnvironment);
        Assert.Equal(("none", null), (not.Settings.Requirements, not.PythonEnvironment));
    }

    [Fact]
    public async Task Nothing_to_install_is_the_interpreter_itself()
    {
        await using var server = await ControlServer.StartAsync();

        var plain = await DeployedAsync(server, "one", new RevisionSettings { Runtime = "python" });
        var system = await DeployedAsync(server, "two", new RevisionSettings { Runtime = "python", SystemPackages = true, Python = "3.11" });
        var alone = await DeployedAsync(server, "three", new RevisionSettings { Runtime = "python", SystemPackages = false });

        Assert.Null(plain.PythonEnvironment);
        Assert.Equal((null, true, "3.11"), (system.PythonEnvironment, system.Settings.SystemPackages, system.Settings.Python));
        Assert.NotNull(alone.PythonEnvironment);
    }

    [Fact]
    public async Task A_failed_build_refuses_the_deploy_with_the_last_lines_and_the_old_revision_serves()
    {
        await using var server = await ControlServer.StartAsync();
        await DeployedAsync(server, "one", Pip("six"));

        using var response = await server.PostDeployAsync("one", new DeployRequest { Files = [await server.UploadAsync("app.py", Code)], Settings = Pip("bad") });

        var problem = await ControlServer.ProblemAsync(response, ProblemCode.EnvironmentFailed);
        Assert.Contains("pip install ended with exit code 1.", problem.Detail, StringComparison.Ordinal);
        Assert.Contains("No matching distribution found for bad", problem.Detail, StringComparison.Ordinal);
        var endpoint = await server.EndpointAsync("one");
        Assert.Equal(100, endpoint.Traffic["r1"]);
        Assert.Equal(("r2", "failed"), (endpoint.Revisions[0].Name, endpoint.Revisions[0].State));
        Assert.Single(await ListAsync(server));
    }

    [Fact]
    public async Task Deploys_at_once_build_an_environment_once_and_others_are_verified_meanwhile()
    {
        await using var server = await ControlServer.StartAsync();
        server.Environments.Hold();

        var one = DeployedAsync(server, "one", Pip("six"));
        var two = DeployedAsync(server, "two", Pip("six"));
        await DeployedAsync(server, "three", new RevisionSettings { Runtime = "python" });
        Assert.False(one.IsCompleted || two.IsCompleted);
        server.Environments.Release();
        var (first, second) = (await one, await two);

        Assert.Equal(first.PythonEnvironment, second.PythonEnvironment);
        Assert.Equal(1, server.Environments.Builds);
    }

    [Fact]
    public async Task A_build_is_watched_line_by_line()
    {
        await using var server = await ControlServer.StartAsync();
        server.Environments.Hold();
        var request = new FunctionsRequest { Files = [await server.UploadAsync("app.py", Code)], Pip = ["six"] };
        using var response = await server.Admin.PostAsync("/api/v1/environments", ControlServer.Json(request, ControlJson.Default.FunctionsRequest), Cancellation);
        var begun = Assert.Single((await ControlServer.ReadAsync(response, ControlJson.Default.EnvironmentList)).Environments);

        var first = await GetAsync(server, begun.Id, "?wait=30");
        var end = GetAsync(server, begun.Id, $"?after={first.Next}&wait=30");
        server.Environments.Release();

        Assert.Equal("building", begun.State);
        Assert.Equal(("building", 1), (first.State, first.Next));
        Assert.Equal(["Collecting"], first.Log);
        Assert.Equal("ready", (await end).State);
    }

    [Fact]
    public async Task What_cannot_be_read_or_had_is_refused_with_its_place()
    {
        await using var server = await ControlServer.StartAsync();
        async Task<string> RefusedAsync(RevisionSettings settings, string requirements = "")
        {
            using var response = await server.PostDeployAsync(
                "one", new DeployRequest { Files = [await server.UploadAsync("app.py", Code), await server.UploadAsync("model.onnx", "good"), await server.UploadAsync("needs.txt", requirements)], Settings = settings });
            return (await ControlServer.ProblemAsync(response, ProblemCode.SpecInvalid)).Detail ?? "";
        }

        Assert.Contains("it has 3.11", await RefusedAsync(new RevisionSettings { Runtime = "python", Python = "3.13" }), StringComparison.Ordinal);
        Assert.Contains("python is '2.7'", await RefusedAsync(new RevisionSettings { Runtime = "python", Python = "2.7" }), StringComparison.Ordinal);
        Assert.Contains("no file 'other.txt'", await RefusedAsync(new RevisionSettings { Runtime = "python", Requirements = "other.txt" }), StringComparison.Ordinal);
        Assert.Contains("needs.txt:2: ", await RefusedAsync(new RevisionSettings { Runtime = "python", Requirements = "needs.txt" }, "six\n--find-links /srv/secret\n"), StringComparison.Ordinal);
        Assert.Contains("runs no Python", await RefusedAsync(new RevisionSettings { Runtime = "onnx", Pip = ["six"] }), StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_environment_that_nobody_uses_goes_and_one_that_is_used_stays()
    {
        await using var server = await ControlServer.StartAsync(environment: new() { ["DORMOUSE_ENVIRONMENTS__KEEP"] = "0s" });
        var used = await DeployedAsync(server, "one", Pip("six"));
        var left = await DeployedAsync(server, "two", Pip("left"));
        using var refused = await server.Admin.DeleteAsync("/api/v1/environments/" + used.PythonEnvironment, Cancellation);
        await ControlServer.ProblemAsync(refused, ProblemCode.Conflict);
        Directory.CreateDirectory(Path.Combine(server.Folder, "environments", new string('a', EnvironmentId.Length)));
        using var gone = await server.Admin.DeleteAsync("/api/v1/endpoints/two", Cancellation);
        gone.EnsureSuccessStatusCode();

        var sweeper = server.Services.GetRequiredService<EnvironmentSweeper>();
        var removed = await sweeper.SweepAsync(Cancellation);
        sweeper.KeepReady();

        Assert.Equal(2, removed);
        Assert.Equal([used.PythonEnvironment!], (await ListAsync(server)).Select(e => e.Id));
        Assert.Equal([used.PythonEnvironment!], server.Environments.Ready.Select(e => e.Value));
        Assert.NotEqual(used.PythonEnvironment, left.PythonEnvironment);
    }

    [Fact]
    public async Task What_a_crash_left_half_made_is_built_anew()
    {
        await using var server = await ControlServer.StartAsync();
        var whole = await DeployedAsync(server, "one", Pip("six"));
        var folder = Path.Combine(server.Folder, "environments", whole.PythonEnvironment!);
        File.Delete(Path.Combine(folder, "environment.json"));
        await File.WriteAllTextAsync(Path.Combine(folder, "junk"), "half", Cancellation);

        await DeployedAsync(server, "two", Pip("six"));

        Assert.Equal(2, server.Environments.Builds);
        Assert.False(File.Exists(Path.Combine(folder, "junk")));
    }

    private static RevisionSettings Pip(params ImmutableArray<string> pip) => new() { Runtime = "python", Pip = pip };

    private static async Task<RevisionInfo> DeployedAsync(ControlServer server, string name, RevisionSettings settings, ImmutableArray<PackageFileInfo>? files = null)
    {
        using var response = await server.PostDeployAsync(name, new DeployRequest { Files = files ?? [await server.UploadAsync("app.py", Code)], Settings = settings });
        return await ControlServer.ReadAsync(response, ControlJson.Default.RevisionInfo);
    }

    private static async Task<ImmutableArray<EnvironmentInfo>> ListAsync(ControlServer server)
    {
        using var response = await server.Admin.GetAsync("/api/v1/environments", Cancellation);
        return (await ControlServer.ReadAsync(response, ControlJson.Default.EnvironmentList)).Environments;
    }

    private static async Task<EnvironmentInfo> GetAsync(ControlServer server, string id, string query = "")
    {
        using var response = await server.Admin.GetAsync($"/api/v1/environments/{id}{query}", Cancellation);
        return await ControlServer.ReadAsync(response, ControlJson.Default.EnvironmentInfo);
    }
}
