using System.Collections.Concurrent;
using System.Diagnostics;
using System.Net.Http.Headers;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;

namespace Dormouse.EndToEnd.Tests.Running;

/// <summary>A real server process on a data folder of its own, started as a user starts it, with free ports.</summary>
internal sealed class RunningServer : IAsyncDisposable
{
    private readonly Process _process;
    private readonly ConcurrentQueue<string> _output = new();

    private RunningServer(Process process, string data)
    {
        _process = process;
        Data = data;
    }

    public string Data { get; }

    public int ProcessId => _process.Id;

    public HttpClient Http { get; } = new() { Timeout = TimeSpan.FromMinutes(10) };

    public Uri Address { get; private set; } = new("http://127.0.0.1");

    public Uri Grpc { get; private set; } = new("http://127.0.0.1");

    public string Key { get; private set; } = "";

    public string Output => string.Join('\n', _output);

    /// <summary>Starts on a new folder, or again on the folder of an earlier server.</summary>
    /// <param name="within">A program that becomes what its arguments say, somewhere; null = the server is started here.</param>
    public static async Task<RunningServer> StartAsync(CancellationToken cancellationToken, string? data = null, IReadOnlyDictionary<string, string>? environment = null, string? within = null)
    {
        data ??= Directory.CreateTempSubdirectory("dormouse-test-").FullName;
        var addresses = Path.Combine(data, "server.json");
        File.Delete(addresses);
        var start = new ProcessStartInfo(within ?? Checkout.Dormouse) { RedirectStandardOutput = true, RedirectStandardError = true };
        foreach (var argument in (string[])[.. within is null ? Array.Empty<string>() : [Checkout.Dormouse], "serve", "--data", data, "--listen", "http://127.0.0.1:0"])
        {
            start.ArgumentList.Add(argument);
        }

        foreach (var (name, value) in environment ?? new Dictionary<string, string>())
        {
            start.Environment[name] = value;
        }

        var server = new RunningServer(Process.Start(start) ?? throw new InvalidOperationException("The server did not start."), data);
        server._process.OutputDataReceived += (_, e) => server.Keep(e.Data);
        server._process.ErrorDataReceived += (_, e) => server.Keep(e.Data);
        server._process.BeginOutputReadLine();
        server._process.BeginErrorReadLine();
        await Waiting.UntilAsync(() => File.Exists(addresses) || server._process.HasExited, "the server listens", cancellationToken);
        if (server._process.HasExited)
        {
            throw new InvalidOperationException($"The server ended with {server._process.ExitCode}: {server.Output}");
        }

        var document = JsonNode.Parse(await File.ReadAllTextAsync(addresses, cancellationToken))!;
        server.Address = new Uri(document["http"]!.GetValue<string>());
        server.Grpc = new Uri(document["grpc"]!.GetValue<string>());
        server.Key = (await File.ReadAllTextAsync(Path.Combine(data, "admin-key"), cancellationToken)).Trim();
        server.Http.BaseAddress = server.Address;
        server.Http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", server.Key);
        return server;
    }

    /// <summary>Uploads the files and deploys them; returns the revision, or throws with the problem.</summary>
    public async Task<JsonNode> DeployAsync(string endpoint, IEnumerable<(string Path, byte[] Content)> files, CancellationToken cancellationToken, JsonObject? settings = null, bool verify = true)
    {
        using var response = await TryDeployAsync(endpoint, files, cancellationToken, settings, verify);
        var body = await response.Content.ReadAsStringAsync(cancellationToken);
        return response.IsSuccessStatusCode
            ? JsonNode.Parse(body)!
            : throw new InvalidOperationException($"Deploying {endpoint} answered {(int)response.StatusCode}: {body}");
    }

    public Task<JsonNode> DeployAsync(string endpoint, string modelPath, CancellationToken cancellationToken, JsonObject? settings = null, bool verify = true) =>
        DeployAsync(endpoint, [("model.onnx", File.ReadAllBytes(modelPath))], cancellationToken, settings, verify);

    public async Task<HttpResponseMessage> TryDeployAsync(string endpoint, IEnumerable<(string Path, byte[] Content)> files, CancellationToken cancellationToken, JsonObject? settings = null, bool verify = true, JsonObject? canary = null, string? tag = null, JsonObject? handover = null)
    {
        var list = new JsonArray();
        foreach (var (path, content) in files)
        {
            var hash = Convert.ToHexStringLower(SHA256.HashData(content));
            using var body = new ByteArrayContent(content);
            using var put = await Http.PutAsync(new Uri($"/api/v1/blobs/{hash}", UriKind.Relative), body, cancellationToken);
            Assert.True(put.IsSuccessStatusCode, $"Uploading answered {(int)put.StatusCode}: {await put.Content.ReadAsStringAsync(cancellationToken)}");
            list.Add(new JsonObject { ["path"] = path, ["sha256"] = hash, ["size_bytes"] = content.Length });
        }

        var request = new JsonObject { ["files"] = list, ["settings"] = settings?.DeepClone() ?? new JsonObject(), ["verify"] = verify, ["canary"] = canary, ["handover"] = handover };
        if (tag is not null)
        {
            // Beside the traffic: its tag alone leads to it.
            (request["tag"], request["traffic"]) = (tag, false);
        }

        return await PostAsync($"/api/v1/endpoints/{endpoint}/revisions?wait=true", request, cancellationToken);
    }

    public Task<HttpResponseMessage> PostAsync(string path, JsonNode? body, CancellationToken cancellationToken)
    {
        var content = new StringContent(body?.ToJsonString() ?? "", Encoding.UTF8, "application/json");
        return Http.PostAsync(new Uri(path, UriKind.Relative), content, cancellationToken);
    }

    public async Task<JsonNode> PutAsync(string path, JsonObject body, CancellationToken cancellationToken)
    {
        using var content = new StringContent(body.ToJsonString(), Encoding.UTF8, "application/json");
        using var response = await Http.PutAsync(new Uri(path, UriKind.Relative), content, cancellationToken);
        var answer = await response.Content.ReadAsStringAsync(cancellationToken);
        return response.IsSuccessStatusCode ? JsonNode.Parse(answer)! : throw new InvalidOperationException($"{path} answered {(int)response.StatusCode}: {answer}");
    }

    /// <summary>A document of the control API, or an error with the answer.</summary>
    public async Task<JsonNode> GetAsync(string path, CancellationToken cancellationToken)
    {
        using var response = await Http.GetAsync(new Uri(path, UriKind.Relative), cancellationToken);
        var body = await response.Content.ReadAsStringAsync(cancellationToken);
        return response.IsSuccessStatusCode ? JsonNode.Parse(body)! : throw new InvalidOperationException($"{path} answered {(int)response.StatusCode}: {body}");
    }

    public async Task<JsonArray> InstancesAsync(string endpoint, CancellationToken cancellationToken) =>
        (await GetAsync($"/api/v1/endpoints/{endpoint}", cancellationToken))["instances"]!.AsArray();

    /// <summary>Process ids of everything below the server: launcher and workers.</summary>
    public IReadOnlyList<int> Descendants() => Processes.Below(ProcessId);

    /// <summary>Processes of workers below the server.</summary>
    public IReadOnlyList<int> Workers() => [.. Descendants().Where(id => Processes.CommandLine(id).Contains("dormouse-worker", StringComparison.Ordinal) && !Processes.IsSandbox(id))];

    public int Launcher() => Descendants().First(id => Processes.CommandLine(id).Contains("dormouse-launcher", StringComparison.Ordinal));

    /// <summary>SIGKILL: the server has no chance to clear up.</summary>
    public async Task KillAsync(CancellationToken cancellationToken)
    {
        Processes.Signal(ProcessId, "KILL");
        await _process.WaitForExitAsync(cancellationToken);
    }

    /// <summary>Ctrl-C, then waits for the end; returns the exit code.</summary>
    public async Task<int> StopAsync(CancellationToken cancellationToken)
    {
        Processes.Signal(ProcessId, "INT");
        await _process.WaitForExitAsync(cancellationToken);
        return _process.ExitCode;
    }

    public async ValueTask DisposeAsync()
    {
        Http.Dispose();
        if (!_process.HasExited)
        {
            Processes.Signal(ProcessId, "INT");
            try
            {
                await _process.WaitForExitAsync(CancellationToken.None).WaitAsync(TimeSpan.FromSeconds(20));
            }
            catch (TimeoutException)
            {
                _process.Kill(entireProcessTree: true);
                // Ends with its output: a process that outlives it and holds that open is a fault.
                await _process.WaitForExitAsync(CancellationToken.None).WaitAsync(TimeSpan.FromMinutes(1));
            }
        }

        _process.Dispose();
    }

    private void Keep(string? line)
    {
        if (line is not null)
        {
            _output.Enqueue(line);
            while (_output.Count > 500)
            {
                _output.TryDequeue(out _);
            }
        }
    }
}
