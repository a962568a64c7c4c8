using System.Net;
using System.Net.Http.Headers;
using System.Net.Sockets;
using System.Text.Json;
using Dormouse.Protocol.Control;
using Dormouse.Server.Access;
using Dormouse.Server.Hosting;
using Microsoft.Data.Sqlite;

namespace Dormouse.Server.Tests.Hosting;

/// <summary>A real server on real ports and a real data folder; its launcher is a program that ends at once, since nothing here starts an instance.</summary>
public sealed class ServerStartTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("dormouse-start-").FullName;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task It_says_where_it_listens_while_it_does()
    {
        var file = Path.Combine(_folder, ListeningAt.FileName);
        await using (var server = await StartAsync())
        {
            var written = JsonSerializer.Deserialize(await File.ReadAllTextAsync(file, Cancellation), ControlJson.Default.ServerAddresses)!;
            Assert.Equal(server.Addresses, written);
            Assert.Equal(Environment.ProcessId, written.ProcessId);
            using var http = new HttpClient();
            Assert.Equal(HttpStatusCode.OK, (await http.GetAsync(written.Http + "/health", Cancellation)).StatusCode);
            using var grpc = new HttpRequestMessage(HttpMethod.Get, written.Grpc + "/health") { Version = HttpVersion.Version20, VersionPolicy = HttpVersionPolicy.RequestVersionExact };
            Assert.Equal(HttpStatusCode.OK, (await http.SendAsync(grpc, Cancellation)).StatusCode);
        }

        Assert.False(File.Exists(file));
    }

    [Fact]
    public async Task The_administrators_key_is_made_once_and_only_its_owner_can_read_it()
    {
        var path = Path.Combine(_folder, AdminKeyFile.Name);
        string first;
        await using (await StartAsync())
        {
            first = await File.ReadAllTextAsync(path, Cancellation);
            Assert.True(OperatingSystem.IsWindows() || File.GetUnixFileMode(path) == (UnixFileMode.UserRead | UnixFileMode.UserWrite));
        }

        await using var server = await StartAsync();

        Assert.Equal(first, await File.ReadAllTextAsync(path, Cancellation));
        Assert.Equal(HttpStatusCode.OK, await VersionAsync(server, first.Trim()));
    }

    [Fact]
    public async Task A_key_from_the_environment_is_the_administrators_and_no_file_is_made()
    {
        await using var server = await StartAsync(environment => environment["DORMOUSE_ADMIN_KEY"] = "chosen");

        Assert.False(File.Exists(Path.Combine(_folder, AdminKeyFile.Name)));
        Assert.Equal(HttpStatusCode.OK, await VersionAsync(server, "chosen"));
    }

    [Fact]
    public async Task A_port_in_use_is_named_with_a_way_out()
    {
        using var taken = new TcpListener(IPAddress.Loopback, 0);
        taken.Start();
        var address = $"http://127.0.0.1:{((IPEndPoint)taken.LocalEndpoint).Port}";

        var http = await Assert.ThrowsAsync<ServerStartException>(() => StartAsync(options: new ServerOptions { DataFolder = _folder, Listen = address, GrpcListen = "http://127.0.0.1:0" }));
        var grpc = await Assert.ThrowsAsync<ServerStartException>(() => StartAsync(options: new ServerOptions { DataFolder = _folder, Listen = "http://127.0.0.1:0", GrpcListen = address }));

        Assert.Equal((ServerStartFailure.Address, ServerStartFailure.Address), (http.Failure, grpc.Failure));
        Assert.Contains($"{address} is in use by another program", http.Message, StringComparison.Ordinal);
        Assert.Contains("with --listen", http.Message, StringComparison.Ordinal);
        Assert.Contains($"{address} is in use by another program", grpc.Message, StringComparison.Ordinal);
        Assert.Contains("with --grpc-listen", grpc.Message, StringComparison.Ordinal);

        // Nothing of the failed starts is left: the folder is free.
        await using var server = await StartAsync();
    }

    [Fact]
    public async Task A_second_server_on_the_same_folder_is_refused_and_the_first_serves_on()
    {
        await using var first = await StartAsync();

        var fault = await Assert.ThrowsAsync<ServerStartException>(() => StartAsync());

        Assert.Equal(ServerStartFailure.DataFolder, fault.Failure);
        Assert.Contains("used by another server", fault.Message, StringComparison.Ordinal);
        Assert.True(File.Exists(Path.Combine(_folder, ListeningAt.FileName)));
        using var http = new HttpClient();
        Assert.Equal(HttpStatusCode.OK, (await http.GetAsync(first.Addresses.Http + "/health", Cancellation)).StatusCode);
    }

    [Fact]
    public async Task A_folder_of_a_newer_version_is_left_alone()
    {
        await (await StartAsync()).DisposeAsync();
        await using (var database = new SqliteConnection($"Data Source={Path.Combine(_folder, "dormouse.db")};Pooling=False"))
        {
            await database.OpenAsync(Cancellation);
            await using var command = database.CreateCommand();
            command.CommandText = "PRAGMA user_version = 9999";
            await command.ExecuteNonQueryAsync(Cancellation);
        }

        var fault = await Assert.ThrowsAsync<ServerStartException>(() => StartAsync());

        Assert.Equal(ServerStartFailure.DataFolder, fault.Failure);
        Assert.Contains("newer", fault.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_program_that_is_not_there_is_named_with_its_setting()
    {
        var fault = await Assert.ThrowsAsync<ServerStartException>(() => StartAsync(environment => environment["DORMOUSE_WORKER_PATH"] = "/nowhere/worker"));

        Assert.Equal(ServerStartFailure.Programs, fault.Failure);
        Assert.Contains("workers.worker_path is '/nowhere/worker'", fault.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Stopping_twice_is_stopping_once()
    {
        var server = await StartAsync();

        await server.DisposeAsync();
        await server.DisposeAsync();

        await using var next = await StartAsync();
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    private static async Task<HttpStatusCode> VersionAsync(DormouseServer server, string key)
    {
        using var http = new HttpClient();
        http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", key);
        return (await http.GetAsync(server.Addresses.Http + "/api/v1/version", Cancellation)).StatusCode;
    }

    private Task<DormouseServer> StartAsync(Action<Dictionary<string, string>>? change = null, ServerOptions? options = null)
    {
        var environment = new Dictionary<string, string>
        {
            ["DORMOUSE_WORKER_PATH"] = "/bin/true",
            ["DORMOUSE_LAUNCHER_PATH"] = "/bin/true",
            ["DORMOUSE_LOGGING__LEVEL"] = "error",
        };
        change?.Invoke(environment);
        options ??= new ServerOptions { DataFolder = _folder, Listen = "http://127.0.0.1:0" };
        return DormouseServer.StartAsync(options with { Environment = environment }, Cancellation);
    }
}
