using System.Net;
using Dormouse.Core;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Packages;
using Dormouse.Protocol.Control;
using Dormouse.Protocol.Problems;
using Dormouse.Server.Control;
using Dormouse.Server.Deploying;
using Dormouse.Server.Environments;
using Dormouse.Server.Dispatch;
using Dormouse.Server.Logs;
using Dormouse.Server.Rollouts;
using Dormouse.Server.Routing;
using Dormouse.Server.Tests.Fakes;
using Dormouse.Server.Tests.Gateway;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;

namespace Dormouse.Server.Tests.Control;

public sealed class DeployTests
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_verified_model_is_live_with_all_traffic_and_an_optimised_file()
    {
        await using var server = await ControlServer.StartAsync();

        using var response = await server.DeployAsync("digits", "good", new RevisionSettings { Memory = "256MiB", IdleTimeout = "5s" });

        Assert.Equal(HttpStatusCode.Created, response.StatusCode);
        var revision = await ControlServer.ReadAsync(response, ControlJson.Default.RevisionInfo);
        Assert.Equal(("r1", "ready", 100, true, 1.5), (revision.Name, revision.State, revision.Weight, revision.Optimised, revision.LoadMs));
        Assert.Equal("x", revision.Interface!.Inputs.Single().Name);
        Assert.Equal(("256MiB", "5s"), (revision.Settings.Memory, revision.Settings.IdleTimeout));
        var endpoint = await server.EndpointAsync("digits");
        Assert.Equal("idle", endpoint.Status);
        Assert.Equal(100, endpoint.Traffic["r1"]);
        Assert.Equal((true, 1.5), (endpoint.Revisions[0].Optimised, endpoint.Revisions[0].LoadMs));
        Assert.EndsWith("/v2/models/digits/infer", endpoint.Url, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_optimised_file_is_shown_before_a_worker_has_said_its_engine()
    {
        await using var server = await ControlServer.StartAsync();
        using var response = await server.DeployAsync("digits", "good");
        var revision = await ControlServer.ReadAsync(response, ControlJson.Default.RevisionInfo);
        var model = new BlobHash(revision.Files[0].Sha256);
        var storage = server.Storage;
        var stored = await storage.Catalogue.FindAsync(TenantId.Default, "digits", Cancellation);

        // As a server that has just come up sees it: no inspection, no instance.
        var optimised = new OptimisedModels(storage.Derived, storage.Blobs, new OptimisedFiles(storage.Derived, storage.Blobs), server.Driver);
        var known = (await storage.Catalogue.RevisionsAsync(stored!.Id, Cancellation))[0];

        Assert.Null(optimised.EngineKey);
        Assert.Equal(model, known.Package.Files[0].Hash);
        Assert.True(await optimised.IsShownAsync(known, Cancellation));
        Assert.False(await optimised.ExistsAsync(known, Cancellation));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_caller_who_leaves_when_the_revision_is_stored_leaves_it_to_the_server(bool verify)
    {
        await using var server = await ControlServer.StartAsync();
        var file = await server.UploadAsync("model.onnx", "good");
        using var leaving = new CancellationTokenSource();
        var services = server.Services;
        var changes = new EndpointChanges(
            LeavingAtAdd.Around(server.Storage.Catalogue, leaving), services.GetRequiredService<RoutingTable>(), services.GetRequiredService<DispatchService>(),
            services.GetRequiredService<CanaryWatches>(), services.GetRequiredService<HandoverWatches>(), services.GetRequiredService<LogStore>(), TimeProvider.System, NullLogger<EndpointChanges>.Instance);
        var deployer = new Deployer(
            services.GetRequiredService<DeployCheck>(), changes, services.GetRequiredService<Verifier>(), services.GetRequiredService<OptimiseQueue>(), services.GetRequiredService<EnvironmentBuilds>(), services.GetRequiredService<IIdSource>());

        var deploy = deployer.DeployAsync(
            TenantId.Default, "digits", new DeployRequest { Files = [file], Settings = new RevisionSettings(), Verify = verify }, wait: true, leaving.Token);
        await Task.WhenAny(deploy);

        Assert.True(leaving.IsCancellationRequested);
        var states = services.GetRequiredService<RoutingTable>();
        await Conditions.UntilAsync(() => states.Find(TenantId.Default, "digits") is { Revisions.Length: 1 }, "the revision has the traffic");
        Assert.Equal("idle", (await server.EndpointAsync("digits")).Status);
    }

    [Fact]
    public async Task A_refused_model_says_why_and_leaves_the_traffic_alone()
    {
        await using var server = await ControlServer.StartAsync();
        (await server.DeployAsync("digits", "good")).EnsureSuccessStatusCode();

        using var response = await server.DeployAsync("digits", "bad one");

        var problem = await ControlServer.ProblemAsync(response, ProblemCode.ModelInvalid);
        Assert.Contains("begins with 'bad'", problem.Detail, StringComparison.Ordinal);
        var endpoint = await server.EndpointAsync("digits");
        Assert.Equal(100, endpoint.Traffic["r1"]);
        Assert.Equal(("r2", "failed"), (endpoint.Revisions[0].Name, endpoint.Revisions[0].State));
    }

    [Fact]
    public async Task A_first_model_that_is_refused_leaves_an_endpoint_that_shows_it()
    {
        await using var server = await ControlServer.StartAsync();

        using var response = await server.DeployAsync("digits", "bad one");

        await ControlServer.ProblemAsync(response, ProblemCode.ModelInvalid);
        Assert.Equal("failed", (await server.EndpointAsync("digits")).Status);
        Assert.Equal("failed", (await ListAsync(server)).Endpoints.Single().Status);
    }

    [Fact]
    public async Task What_keeps_a_model_from_being_verified_is_not_blamed_on_it()
    {
        await using var server = await ControlServer.StartAsync();

        using var response = await server.DeployAsync("digits", "busy machine");

        var problem = await ControlServer.ProblemAsync(response, ProblemCode.StartFailed);
        Assert.Contains("no worker could be started", problem.Detail, StringComparison.Ordinal);
        Assert.True(problem.Retryable);
        Assert.NotNull(response.Headers.RetryAfter);
    }

    [Fact]
    public async Task Without_waiting_the_answer_comes_while_verifying_goes_on()
    {
        await using var server = await ControlServer.StartAsync();
        server.Inspector.Hold();

        using var response = await server.DeployAsync("digits", "good", wait: false);

        Assert.Equal(HttpStatusCode.Accepted, response.StatusCode);
        Assert.Equal("verifying", (await ControlServer.ReadAsync(response, ControlJson.Default.RevisionInfo)).State);
        Assert.Equal("verifying", (await server.EndpointAsync("digits")).Status);

        // The second deploy is verified after the first: when it is live, so is the first.
        server.Inspector.Release();
        (await server.DeployAsync("other", "good")).EnsureSuccessStatusCode();
        Assert.Equal("idle", (await server.EndpointAsync("digits")).Status);
    }

    [Fact]
    public async Task Without_verifying_a_revision_is_live_at_once_and_optimised_later()
    {
        await using var server = await ControlServer.StartAsync();
        server.Inspector.Hold();

        using var response = await server.DeployAsync("digits", "good", verify: false);

        var revision = await ControlServer.ReadAsync(response, ControlJson.Default.RevisionInfo);
        Assert.Equal(("ready", false, (object?)null), (revision.State, revision.Optimised, revision.Interface));
        Assert.Equal("idle", (await server.EndpointAsync("digits")).Status);

        server.Inspector.Release();
        (await server.DeployAsync("other", "good")).EnsureSuccessStatusCode();
        var later = (await server.EndpointAsync("digits")).Revisions.Single();
        Assert.True(later.Optimised);
    }

    [Fact]
    public async Task Deploys_at_once_get_numbers_of_their_own_and_the_highest_wins()
    {
        await using var server = await ControlServer.StartAsync();
        var file = await server.UploadAsync("model.onnx", "good");
        var request = new DeployRequest { Files = [file] };

        var responses = await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => server.PostDeployAsync("digits", request)));

        var revisions = await Task.WhenAll(responses.Select(r => ControlServer.ReadAsync(r, ControlJson.Default.RevisionInfo)));
        Assert.Equal(Enumerable.Range(1, 8), revisions.Select(r => r.Number).Order());
        var endpoint = await server.EndpointAsync("digits");
        Assert.Equal(100, endpoint.Traffic["r8"]);
        Assert.All(endpoint.Revisions, r => Assert.Equal("ready", r.State));
    }

    [Fact]
    public async Task An_endpoint_deleted_while_it_is_verified_stays_deleted()
    {
        await using var server = await ControlServer.StartAsync();
        server.Inspector.Hold();
        var deploying = server.DeployAsync("digits", "good");
        await server.DeployAsync("other", "good", wait: false);
        while (await server.Storage.Catalogue.FindAsync(TenantId.Default, "digits", Cancellation) is null)
        {
            await Task.Yield();
        }

        using var deleted = await server.Admin.DeleteAsync("/api/v1/endpoints/digits", Cancellation);
        server.Inspector.Release();
        using var response = await deploying;

        Assert.Equal(HttpStatusCode.NoContent, deleted.StatusCode);
        await ControlServer.ProblemAsync(response, ProblemCode.Conflict);
        await ControlServer.ProblemAsync(await server.Admin.GetAsync("/api/v1/endpoints/digits", Cancellation), ProblemCode.EndpointNotFound);
    }

    [Theory]
    [InlineData("Digits")]
    [InlineData("-a")]
    [InlineData("a-")]
    [InlineData("a_b")]
    [InlineData("a.b")]
    [InlineData("models")]
    [InlineData("v2")]
    [InlineData("api")]
    [InlineData("t")]
    [InlineData("%C3%A9")]
    [InlineData("%F0%9F%90%AD")]
    [InlineData("..%2F..%2Fetc")]
    [InlineData("a%2Fb")]
    [InlineData("%2e%2e%5c")]
    [InlineData("a%20b")]
    [InlineData("aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffff0123")]
    public async Task A_name_that_is_no_name_is_refused(string encoded)
    {
        await using var server = await ControlServer.StartAsync();

        using var response = await server.DeployAsync(encoded, "good");

        Assert.True((int)response.StatusCode is 422 or 400 or 404, $"{(int)response.StatusCode}");
        Assert.Empty((await ListAsync(server)).Endpoints);
    }

    [Fact]
    public async Task All_faults_of_the_settings_are_told_at_once()
    {
        await using var server = await ControlServer.StartAsync();
        var settings = new RevisionSettings
        {
            Memory = "12",
            Cpu = -1,
            Concurrency = -1,
            Timeout = "soon",
            Runtime = "cobol",
            Signature = "picture: {width: 0}",
        };

        using var response = await server.DeployAsync("digits", "good", settings);

        var problem = await ControlServer.ProblemAsync(response, ProblemCode.SpecInvalid);
        Assert.All(["memory", "cpu", "concurrency", "timeout", "runtime", "picture.width"], word => Assert.Contains(word, problem.Detail, StringComparison.Ordinal));
        Assert.Empty((await ListAsync(server)).Endpoints);
    }

    [Fact]
    public async Task Concurrency_is_a_number_auto_or_unlimited_on_the_wire()
    {
        await using var server = await ControlServer.StartAsync();

        using var number = await server.DeployAsync("digits", "good", new RevisionSettings { Concurrency = 3 });
        Assert.Contains("\"concurrency\":3", await number.Content.ReadAsStringAsync(TestContext.Current.CancellationToken), StringComparison.Ordinal);
        using var auto = await server.DeployAsync("digits", "good", new RevisionSettings { Concurrency = ConcurrencySetting.Auto });
        Assert.Contains("\"concurrency\":\"auto\"", await auto.Content.ReadAsStringAsync(TestContext.Current.CancellationToken), StringComparison.Ordinal);
        foreach (var unlimited in (ConcurrencySetting[])[ConcurrencySetting.Unlimited, 0])
        {
            using var none = await server.DeployAsync("digits", "good", new RevisionSettings { Concurrency = unlimited, TargetConcurrency = 20 });
            var body = await none.Content.ReadAsStringAsync(TestContext.Current.CancellationToken);
            Assert.Contains("\"concurrency\":\"unlimited\"", body, StringComparison.Ordinal);
            Assert.Contains("\"target_concurrency\":20", body, StringComparison.Ordinal);
        }

        var request = new StringContent("{\"files\":[],\"settings\":{\"concurrency\":\"many\"}}");
        using var neither = await server.Admin.PostAsync("/api/v1/endpoints/digits/revisions", request, TestContext.Current.CancellationToken);
        var problem = await ControlServer.ProblemAsync(neither, ProblemCode.RequestInvalid);
        Assert.Contains("$.settings.concurrency", problem.Detail, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Batching_needs_a_verified_model()
    {
        await using var server = await ControlServer.StartAsync();

        using var response = await server.DeployAsync("digits", "good", new RevisionSettings { BatchMax = 8 }, verify: false);

        var problem = await ControlServer.ProblemAsync(response, ProblemCode.SpecInvalid);
        Assert.Equal(
            "batch_max is 8 and verify is off; whether invocations of the model can share runs is found out by verifying it. Verify it, or leave batch_max out.", problem.Detail);
    }

    [Fact]
    public async Task A_signature_beside_the_model_is_used()
    {
        await using var server = await ControlServer.StartAsync();
        var request = new DeployRequest
        {
            Files = [await server.UploadAsync("model.onnx", "good"), await server.UploadAsync("signature.yaml", "labels: {top: 3, softmax: true}\n")],
        };

        using var response = await server.PostDeployAsync("digits", request);

        var revision = await ControlServer.ReadAsync(response, ControlJson.Default.RevisionInfo);
        Assert.Contains("\"top\":3", revision.Settings.Signature, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("model.onnx", 4L, "the uploaded file has 4", 5L, "package_invalid")]
    [InlineData("../model.onnx", 4L, "'..'", 4L, "package_invalid")]
    [InlineData("/model.onnx", 4L, "absolute", 4L, "package_invalid")]
    [InlineData("model.txt", 4L, "no model", 4L, "package_invalid")]
    public async Task A_package_that_is_not_as_it_says_is_refused(string path, long real, string reason, long said, string code)
    {
        await using var server = await ControlServer.StartAsync();
        var file = await server.UploadAsync(path, new string('g', (int)real));

        using var response = await server.PostDeployAsync("digits", new DeployRequest { Files = [file with { SizeBytes = said }] });

        var problem = await ControlServer.ProblemAsync(response, ProblemCode.All[code]);
        Assert.Contains(reason, problem.Detail, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Files_that_were_not_uploaded_are_named()
    {
        await using var server = await ControlServer.StartAsync();
        var missing = new PackageFileInfo("model.onnx", new string('a', 64), 4);

        using var response = await server.PostDeployAsync("digits", new DeployRequest { Files = [missing] });

        var problem = await ControlServer.ProblemAsync(response, ProblemCode.BlobNotFound);
        Assert.Contains("model.onnx", problem.Detail, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("")]
    [InlineData("null")]
    [InlineData("[]")]
    [InlineData("{")]
    [InlineData("{}")]
    [InlineData("{\"files\":null}")]
    [InlineData("{\"files\":{}}")]
    [InlineData("{\"files\":[null]}")]
    [InlineData("{\"files\":[{}]}")]
    [InlineData("{\"files\":[{\"path\":null,\"sha256\":null,\"size_bytes\":1}]}")]
    [InlineData("{\"files\":[{\"path\":\"a\",\"sha256\":\"b\",\"size_bytes\":\"1\"}]}")]
    [InlineData("{\"files\":[{\"path\":\"a\",\"sha256\":\"b\",\"size_bytes\":1.5}]}")]
    [InlineData("{\"files\":[],\"settings\":null}")]
    [InlineData("{\"files\":[],\"settings\":{\"cpu\":\"x\"}}")]
    [InlineData("{\"files\":[],\"settings\":{\"environment\":{\"A\":null}}}")]
    [InlineData("{\"files\":[],\"settings\":{\"concurrency\":99999999999}}")]
    [InlineData("{\"files\":[],\"verify\":\"yes\"}")]
    [InlineData("{\"files\":[]} trailing")]
    [InlineData("{\"files\":[],}")]
    [InlineData("{'files':[]}")]
    [InlineData("\u0000")]
    [InlineData("name: yaml")]
    public async Task Malformed_json_is_refused_with_its_place(string body)
    {
        await using var server = await ControlServer.StartAsync();

        using var response = await server.Admin.PostAsync("/api/v1/endpoints/digits/revisions", new StringContent(body), Cancellation);

        var problem = await ControlServer.ProblemAsync(response, ProblemCode.RequestInvalid);
        Assert.DoesNotContain("Dormouse.", problem.Detail, StringComparison.Ordinal);
        Assert.DoesNotContain("System.", problem.Detail, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Members_that_nobody_knows_are_ignored()
    {
        await using var server = await ControlServer.StartAsync();
        var file = await server.UploadAsync("model.onnx", "good");
        var body = $$"""{ "files": [{ "path": "model.onnx", "sha256": "{{file.Sha256}}", "size_bytes": 4, "colour": "red" }], "later": { "a": [1] }, "settings": { "future": 1 } }""";

        using var response = await server.Admin.PostAsync("/api/v1/endpoints/digits/revisions", new StringContent(body), Cancellation);

        Assert.Equal(HttpStatusCode.Created, response.StatusCode);
    }

    [Fact]
    public async Task A_model_first_loaded_by_an_instance_is_known_from_then_on()
    {
        await using var server = await ControlServer.StartAsync();
        server.Inspector.Hold();
        (await server.DeployAsync("digits", "good", new RevisionSettings { MinInstances = 1, MaxInstances = 1 }, verify: false)).EnsureSuccessStatusCode();

        // The instance that min_instances asks for is ready at once; what it showed is stored by a task of its own.
        RevisionInfo revision;
        do
        {
            Cancellation.ThrowIfCancellationRequested();
            revision = (await server.EndpointAsync("digits")).Revisions.Single();
        }
        while (revision.Interface is null);

        Assert.Equal("y", revision.Interface.Outputs.Single().Name);
        Assert.Equal("ready", (await server.EndpointAsync("digits")).Status);
    }

    [Fact]
    public async Task An_optimised_file_for_another_engine_is_kept_and_one_for_this_engine_is_made_when_a_start_lacked_it()
    {
        await using var server = await ControlServer.StartAsync();
        using var response = await server.DeployAsync("digits", "good");
        var model = new BlobHash((await ControlServer.ReadAsync(response, ControlJson.Default.RevisionInfo)).Files[0].Sha256);
        var derived = server.Storage.Derived;
        Assert.NotNull(await derived.FindAsync(TenantId.Default, model, "fake-1", Cancellation));

        // As after an update of the engine, or on another processor: workers have another key and load the original.
        (server.Inspector.EngineKey, server.Driver.EngineKey) = ("fake-2", "fake-2");
        server.Driver.Ready = server.Driver.Ready with { UsedOptimised = false };
        Assert.False((await server.EndpointAsync("digits")).Revisions.Single().Optimised);
        using var call = await server.Admin.PostAsync("/v2/models/digits/infer", new StringContent("""{"inputs":[]}"""), Cancellation);

        // It is made in idle time, by a task of its own.
        while (!(await server.EndpointAsync("digits")).Revisions.Single().Optimised)
        {
            Cancellation.ThrowIfCancellationRequested();
        }

        var (before, after) = (await derived.FindAsync(TenantId.Default, model, "fake-1", Cancellation), await derived.FindAsync(TenantId.Default, model, "fake-2", Cancellation));
        Assert.NotNull(before);
        Assert.Equal("model.ort", after!.Path);
        Assert.NotNull(server.Storage.Blobs.Materialise(model));
        Assert.Equal(2, server.Inspector.Inspections);
    }

    [Fact]
    public async Task An_optimised_file_that_the_engine_refuses_is_made_anew()
    {
        await using var server = await ControlServer.StartAsync();
        using var response = await server.DeployAsync("digits", "good");
        var model = new BlobHash((await ControlServer.ReadAsync(response, ControlJson.Default.RevisionInfo)).Files[0].Sha256);
        var optimised = (await server.Storage.Derived.FindAsync(TenantId.Default, model, "fake-1", Cancellation))!.Hash;
        var path = server.Storage.Blobs.Materialise(optimised)!;
        var sound = await File.ReadAllBytesAsync(path, Cancellation);
        File.Delete(path);
        await File.WriteAllBytesAsync(path, new byte[sound.Length], Cancellation);

        server.Driver.Ready = server.Driver.Ready with { UsedOptimised = false, RefusedOptimised = true };
        using var call = await server.Admin.PostAsync("/v2/models/digits/infer", new StringContent("""{"inputs":[]}"""), Cancellation);

        // In idle time, by a task of its own.
        while (!(await File.ReadAllBytesAsync(server.Storage.Blobs.Materialise(optimised)!, Cancellation)).AsSpan().SequenceEqual(sound))
        {
            Cancellation.ThrowIfCancellationRequested();
        }

        Assert.Equal(2, server.Inspector.Inspections);
    }

    private static async Task<EndpointList> ListAsync(ControlServer server) =>
        await ControlServer.ReadAsync(await server.Admin.GetAsync("/api/v1/endpoints", Cancellation), ControlJson.Default.EndpointList);

    /// <summary>The catalogue of a server whose caller hangs up at the very moment in which its revision is stored.</summary>
    public class LeavingAtAdd : System.Reflection.DispatchProxy
    {
        private ICatalogue? _catalogue;
        private CancellationTokenSource? _leaving;

        public static ICatalogue Around(ICatalogue catalogue, CancellationTokenSource leaving)
        {
            var proxy = Create<ICatalogue, LeavingAtAdd>();
            ((LeavingAtAdd)(object)proxy)._catalogue = catalogue;
            ((LeavingAtAdd)(object)proxy)._leaving = leaving;
            return proxy;
        }

        protected override object? Invoke(System.Reflection.MethodInfo? targetMethod, object?[]? args)
        {
            var result = targetMethod!.Invoke(_catalogue, args);
            return result is Task<CatalogueEntry> added ? LeaveAsync(added) : result;
        }

        private async Task<CatalogueEntry> LeaveAsync(Task<CatalogueEntry> added)
        {
            var entry = await added;
            await _leaving!.CancelAsync();
            return entry;
        }
    }
}
