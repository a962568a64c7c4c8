using System.Collections.Immutable;
using System.Text;
using Dormouse.Core.Instances;
using Dormouse.Protocol.Control;
using Dormouse.Protocol.Problems;
using Dormouse.Server.Tests.Fakes;
using Dormouse.Server.Tests.Gateway;

namespace Dormouse.Server.Tests.Secrets;

/// <summary>Secrets through the control plane, up to what a driver is given.</summary>
public sealed class SecretTests
{
    private const string Value = "hunter2-hunter2";

    private const string Code = """{"module":"app.py","app":null,"load_microseconds":1,"functions":[{"name":"main","kind":"function","stream":false,"settings":{"secrets":{"TOKEN":"token"}}}]}""";

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_secret_is_set_named_by_a_deploy_given_to_an_instance_and_shown_to_nobody()
    {
        await using var server = await ControlServer.StartAsync();
        var refused = await ControlServer.ProblemAsync(await DeployAsync(server), ProblemCode.SecretNotFound);
        Assert.Contains("'token' is not set", refused.Detail, StringComparison.Ordinal);
        Assert.Contains("dormouse secret set token", refused.Detail, StringComparison.Ordinal);

        await SetAsync(server, "token", Value);
        var revision = await ControlServer.ReadAsync(await DeployAsync(server), ControlJson.Default.RevisionInfo);
        Assert.Equal("token", revision.Settings.Secrets!["TOKEN"]);

        var start = await StartedAsync(server);
        Assert.Equal((Value, Value), (Text(start.Secrets.Variables.Single(v => v.Key == "TOKEN").Value), Text(start.Secrets.Files.Single().Value)));
        Assert.Equal("r1", Assert.Single(Assert.Single((await ListAsync(server)).Secrets).UsedBy).Revision);
        foreach (var path in (string[])["secrets", "endpoints/app", "endpoints/app/revisions", "endpoints/app/logs", "doctor", "invocations"])
        {
            Assert.DoesNotContain("hunter2", await server.Admin.GetStringAsync(new Uri("/api/v1/" + path, UriKind.Relative), Cancellation), StringComparison.Ordinal);
        }

        Assert.DoesNotContain("hunter2", Encoding.Latin1.GetString(await ReadDatabaseAsync(server)), StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_an_instance_writes_is_kept_without_its_secrets_also_where_the_launcher_cut_it()
    {
        await using var server = await ControlServer.StartAsync();
        await SetAsync(server, "token", Value);
        await DeployAsync(server);
        var instance = (await StartedAsync(server)).Instance;

        server.Driver.Write(instance, $"the token is {Value}, in base64 {Convert.ToBase64String(Encoding.UTF8.GetBytes(Value))}");
        server.Driver.Write(instance, new string('x', 4096 - 9) + Value[..9]);
        server.Driver.Write(instance, Value[4..] + " and the rest");

        var log = await server.Admin.GetStringAsync(new Uri("/api/v1/endpoints/app/logs", UriKind.Relative), Cancellation);
        Assert.Contains("the token is ***, in base64 ***", log, StringComparison.Ordinal);
        Assert.Contains("*** and the rest", log, StringComparison.Ordinal);
        Assert.DoesNotContain("hunter2", log, StringComparison.Ordinal);
        Assert.DoesNotContain("er2-hunter", log, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_new_value_is_for_the_next_instance_and_who_has_the_old_one_is_shown()
    {
        await using var server = await ControlServer.StartAsync();
        await SetAsync(server, "token", Value);
        await DeployAsync(server);
        await StartedAsync(server);

        var set = await SetAsync(server, "token", "another-value");

        Assert.Equal(1, Assert.Single(set.UsedBy).OlderInstances);
        Assert.Equal(["token"], Assert.Single((await server.EndpointAsync("app")).Instances).OlderSecrets!);
        await DeployAsync(server);
        await Conditions.UntilAsync(() => server.Driver.Starts.Count > 1, "the second revision has an instance");
        Assert.Equal("another-value", Text(server.Driver.Starts.Last().Secrets.Variables.Single(v => v.Key == "TOKEN").Value));
        Assert.All((await server.EndpointAsync("app")).Instances, i => Assert.Equal(i.Revision == "r1", i.OlderSecrets is not null));
    }

    [Fact]
    public async Task One_in_use_is_not_deleted_but_by_force_and_then_starts_fail_with_that_reason()
    {
        await using var server = await ControlServer.StartAsync();
        await SetAsync(server, "token", Value);
        await DeployAsync(server, minInstances: 0);

        var used = await ControlServer.ProblemAsync(await server.Admin.DeleteAsync(new Uri("/api/v1/secrets/token", UriKind.Relative), Cancellation), ProblemCode.SecretInUse);
        Assert.Contains("app r1", used.Detail, StringComparison.Ordinal);
        using var forced = await server.Admin.DeleteAsync(new Uri("/api/v1/secrets/token?force=true", UriKind.Relative), Cancellation);
        Assert.Equal(204, (int)forced.StatusCode);
        await ControlServer.ProblemAsync(await server.Admin.DeleteAsync(new Uri("/api/v1/secrets/token", UriKind.Relative), Cancellation), ProblemCode.SecretNotFound);

        using var call = await server.Admin.PostAsync(new Uri("/invoke/app", UriKind.Relative), null, Cancellation);
        Assert.Contains("The secret 'token' is not set", (await ControlServer.ProblemAsync(call, ProblemCode.StartFailed)).Detail, StringComparison.Ordinal);
        Assert.Empty(server.Driver.Starts);
    }

    [Fact]
    public async Task Another_tenant_neither_names_nor_sees_it_and_a_caller_may_do_nothing_with_secrets()
    {
        await using var server = await ControlServer.StartAsync();
        await SetAsync(server, "token", Value);

        Assert.Empty((await ControlServer.ReadAsync(await server.Admin.GetAsync(new Uri("/t/acme/api/v1/secrets", UriKind.Relative), Cancellation), ControlJson.Default.SecretList)).Secrets);
        var file = await UploadAsync(server, "/t/acme");
        using var deployed = await server.Admin.PostAsync(
            new Uri("/t/acme/api/v1/endpoints/app/revisions", UriKind.Relative), ControlServer.Json(Request(file), ControlJson.Default.DeployRequest), Cancellation);
        await ControlServer.ProblemAsync(deployed, ProblemCode.SecretNotFound);
        var caller = server.Client((await server.KeyAsync("invoke")).Key);
        await ControlServer.ProblemAsync(await caller.GetAsync(new Uri("/api/v1/secrets", UriKind.Relative), Cancellation), ProblemCode.ScopeMissing);
        using var put = await caller.PutAsync(new Uri("/api/v1/secrets/x", UriKind.Relative), ControlServer.Json(new SecretRequest { Value = "x" }, ControlJson.Default.SecretRequest), Cancellation);
        await ControlServer.ProblemAsync(put, ProblemCode.ScopeMissing);
    }

    [Fact]
    public async Task Values_and_names_that_cannot_be_are_refused_and_never_repeated()
    {
        await using var server = await ControlServer.StartAsync();

        await ControlServer.ProblemAsync(await PutAsync(server, "a b", new SecretRequest { Value = Value }), ProblemCode.NameInvalid);
        foreach (var request in (SecretRequest[])[new(), new() { Value = "" }, new() { Value = Value, Base64 = "aGFsbG8=" }, new() { Base64 = "hunter2-!" }, new() { Value = Value + new string('x', 32 * 1024) }])
        {
            var problem = await ControlServer.ProblemAsync(await PutAsync(server, "a", request), ProblemCode.SpecInvalid);
            Assert.DoesNotContain("hunter2", problem.Detail, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task With_another_key_file_it_says_so_and_the_start_fails()
    {
        string folder;
        await using (var first = await ControlServer.StartAsync())
        {
            await SetAsync(first, "token", Value);
            await DeployAsync(first, minInstances: 0);
            first.KeepsFolder = true;
            folder = first.Folder;
        }

        await File.WriteAllTextAsync(Path.Combine(folder, "secrets.key"), Convert.ToBase64String(new byte[32]), Cancellation);

        await using var second = await ControlServer.StartAsync(folder: folder);

        Assert.Contains("secrets.key", Assert.Single((await ListAsync(second)).Secrets).Fault, StringComparison.Ordinal);
        using var call = await second.Admin.PostAsync(new Uri("/invoke/app", UriKind.Relative), null, Cancellation);
        Assert.Contains("cannot be opened with this server's key", (await ControlServer.ProblemAsync(call, ProblemCode.StartFailed)).Detail, StringComparison.Ordinal);
        await ControlServer.ProblemAsync(await PutAsync(second, "new", new SecretRequest { Value = "value" }), ProblemCode.SecretUnreadable);
    }

    private static string Text(ImmutableArray<byte> value) => Encoding.UTF8.GetString(value.AsSpan());

    private static async Task<SecretInfo> SetAsync(ControlServer server, string name, string value) =>
        await ControlServer.ReadAsync(await PutAsync(server, name, new SecretRequest { Value = value }), ControlJson.Default.SecretInfo);

    private static Task<HttpResponseMessage> PutAsync(ControlServer server, string name, SecretRequest request) =>
        server.Admin.PutAsync(new Uri("/api/v1/secrets/" + Uri.EscapeDataString(name), UriKind.Relative), ControlServer.Json(request, ControlJson.Default.SecretRequest), Cancellation);

    private static async Task<SecretList> ListAsync(ControlServer server) =>
        await ControlServer.ReadAsync(await server.Admin.GetAsync(new Uri("/api/v1/secrets", UriKind.Relative), Cancellation), ControlJson.Default.SecretList);

    private static async Task<HttpResponseMessage> DeployAsync(ControlServer server, int minInstances = 1) =>
        await server.PostDeployAsync("app", Request(await server.UploadAsync("app.py", Code), minInstances));

    /// <summary>The one instance that is kept.</summary>
    private static async Task<InstanceStart> StartedAsync(ControlServer server)
    {
        await Conditions.UntilAsync(() => !server.Driver.Starts.IsEmpty, "the instance is started");
        return server.Driver.Starts.Last();
    }

    private static DeployRequest Request(PackageFileInfo file, int minInstances = 0) => new()
    {
        Files = [file],
        Settings = new RevisionSettings
        {
            Runtime = "python",
            Handler = "app.py::main",
            MinInstances = minInstances,
            MaxInstances = 1,
            Secrets = ImmutableSortedDictionary<string, string>.Empty.Add("TOKEN", "token"),
            SecretFiles = ImmutableSortedDictionary<string, string>.Empty.Add("token.txt", "token"),
        },
    };

    private static async Task<PackageFileInfo> UploadAsync(ControlServer server, string tenant)
    {
        var bytes = Encoding.UTF8.GetBytes(Code);
        var hash = Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(bytes));
        using var response = await server.Admin.PutAsync(new Uri($"{tenant}/api/v1/blobs/{hash}", UriKind.Relative), new ByteArrayContent(bytes), Cancellation);
        return new PackageFileInfo("app.py", hash, bytes.Length);
    }

    private static async Task<byte[]> ReadDatabaseAsync(ControlServer server)
    {
        var all = new MemoryStream();
        foreach (var path in Directory.EnumerateFiles(server.Folder, "dormouse.db*").Append(Path.Combine(server.Folder, "journal")))
        {
            await using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
            await file.CopyToAsync(all, Cancellation);
        }

        return all.ToArray();
    }
}
