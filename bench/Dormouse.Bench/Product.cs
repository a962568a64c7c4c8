using System.Diagnostics;
using System.Text.Json.Nodes;

namespace Dormouse.Bench;

/// <summary>A Dormouse server started for the measurement, as a user starts it: the built command line on a data folder of its own.</summary>
internal sealed class Product : IAsyncDisposable
{
    private readonly string _data;
    private readonly Proc _server;

    private Product(Proc server, string data, string address, string key, double listeningMs)
    {
        (_server, _data, Address, Key, ListeningMs) = (server, data, address, key, listeningMs);
        Client = Load.Client();
    }

    public HttpClient Client { get; }

    public string Address { get; }

    public string Key { get; }

    /// <summary>From the process's start until its health address answered.</summary>
    public double ListeningMs { get; }

    public Proc Server => _server;

    /// <param name="within">A program that starts what its arguments say, somewhere; null = the server is started here.</param>
    public static async Task<Product> StartAsync(string root, string data, int poolSize = 2, IEnumerable<KeyValuePair<string, string>>? environment = null, string? within = null)
    {
        Directory.CreateDirectory(data);
        var addresses = Path.Combine(data, "server.json");
        File.Delete(addresses);
        var clock = Stopwatch.StartNew();
        string[] command = [.. within is null ? Array.Empty<string>() : [within], Path.Combine(root, "artifacts/dist/cli/dormouse"), "serve", "--data", data, "--listen", "http://127.0.0.1:0"];
        var server = Proc.Start(
            command[0], command[1..],
            new Dictionary<string, string>(environment ?? []) { ["DORMOUSE_WORKERS__POOLSIZE"] = poolSize.ToString(System.Globalization.CultureInfo.InvariantCulture) });
        while (!File.Exists(addresses))
        {
            if (clock.Elapsed.TotalSeconds > 30)
            {
                throw new InvalidOperationException("The server did not listen within 30 s.");
            }

            await Task.Delay(2);
        }

        var listening = clock.Elapsed.TotalMilliseconds;
        var address = JsonNode.Parse(await File.ReadAllTextAsync(addresses))!["http"]!.GetValue<string>().TrimEnd('/');
        var key = (await File.ReadAllTextAsync(Path.Combine(data, "admin-key"))).Trim();
        var product = new Product(server, data, address, key, listening);
        await product.ApiAsync(HttpMethod.Get, "/api/v1/version");
        return product;
    }

    /// <summary>Its data folder.</summary>
    public string Data => _data;

    public string Infer(string endpoint) => $"{Address}/v2/models/{endpoint}/infer";

    public async Task<JsonNode?> ApiAsync(HttpMethod method, string path, JsonNode? body = null)
    {
        var request = new HttpRequestMessage(method, Address + path);
        request.Headers.Authorization = new("Bearer", Key);
        if (body is not null)
        {
            request.Content = new StringContent(body.ToJsonString(), System.Text.Encoding.UTF8, "application/json");
        }

        var answer = await Load.SendAsync(Client, request);
        return answer.Length == 0 ? null : JsonNode.Parse(answer);
    }

    /// <summary>Uploads the model and deploys it.</summary>
    public async Task DeployAsync(string endpoint, string model, bool verify = true, string idleTimeout = "10m", JsonObject? settings = null, string path = "model.onnx") =>
        await DeployAsync(endpoint, [(path, await File.ReadAllBytesAsync(model))], verify, idleTimeout, settings);

    /// <summary>Uploads the files and deploys them.</summary>
    public async Task DeployAsync(string endpoint, IEnumerable<(string Path, byte[] Content)> files, bool verify = true, string idleTimeout = "10m", JsonObject? settings = null)
    {
        var list = new JsonArray();
        foreach (var (path, bytes) in files)
        {
            var hash = Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(bytes));
            var put = new HttpRequestMessage(HttpMethod.Put, $"{Address}/api/v1/blobs/{hash}") { Content = new ByteArrayContent(bytes) };
            put.Headers.Authorization = new("Bearer", Key);
            await Load.SendAsync(Client, put);
            list.Add(new JsonObject { ["path"] = path, ["sha256"] = hash, ["size_bytes"] = bytes.Length });
        }

        var all = settings?.DeepClone().AsObject() ?? [];
        all["idle_timeout"] = idleTimeout;
        await ApiAsync(HttpMethod.Post, $"/api/v1/endpoints/{endpoint}/revisions?wait=true", new JsonObject
        {
            ["files"] = list,
            ["settings"] = all,
            ["verify"] = verify,
        });
    }

    /// <summary>Drains to zero and waits until the pool has had time to fill again.</summary>
    public async Task ToZeroAsync(string endpoint)
    {
        await ApiAsync(HttpMethod.Post, $"/api/v1/endpoints/{endpoint}/stop");
        await Task.Delay(400);
    }

    /// <summary>Process ids of this server's workers.</summary>
    public IEnumerable<int> Workers() => Processes().Where(IsWorker).Order();

    /// <summary>Private memory of the server, its launcher and all that they started, MB.</summary>
    public double PrivateMb() => Processes().Where(IsOurs).Sum(Private);

    private static IEnumerable<int> Processes() => Directory.EnumerateDirectories("/proc").Select(d => int.TryParse(Path.GetFileName(d), out var id) ? id : 0).Where(id => id > 0);

    private static double Private(int process)
    {
        try
        {
            return Proc.Memory(process, "Private_Clean", "Private_Dirty");
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            return 0; // It has just ended.
        }
    }

    private bool IsOurs(int process)
    {
        try
        {
            return IsBelow(process, _server.Id);
        }
        catch (IOException)
        {
            return false;
        }
    }

    /// <summary>Sockets of the workers that live now, below the folder that the launcher was told.</summary>
    public IEnumerable<string> Sockets()
    {
        var launcher = Processes().Where(IsOurs).Select(Words).First(words => Path.GetFileName(words[0]) == "dormouse-launcher");
        var folder = Path.GetDirectoryName(launcher[Array.IndexOf(launcher, "--socket") + 1])!; // Not null: it is the path of a file.
        return Directory.EnumerateFiles(folder, "w*.sock");
    }

    public async ValueTask DisposeAsync()
    {
        Client.Dispose();
        _server.Interrupt();
        await _server.DisposeAsync();
        Directory.Delete(_data, recursive: true);
    }

    /// <summary>Ends the server and keeps its data folder.</summary>
    public async Task StopAsync()
    {
        Client.Dispose();
        _server.Interrupt();
        var clock = Stopwatch.StartNew();
        while (File.Exists(Path.Combine(_data, "server.json")) && clock.Elapsed.TotalSeconds < 20)
        {
            await Task.Delay(20);
        }

        await _server.DisposeAsync();
    }

    /// <summary>The worker itself, not what made its sandbox, whose command line ends in the same words.</summary>
    private bool IsWorker(int process) => Words(process) is [var program, ..] && Path.GetFileName(program) == "dormouse-worker" && IsOurs(process);

    /// <summary>Its command line; empty = it has ended.</summary>
    private static string[] Words(int process)
    {
        try
        {
            return File.ReadAllText($"/proc/{process}/cmdline").Split('\0');
        }
        catch (IOException)
        {
            return [];
        }
    }

    private static bool IsBelow(int process, int ancestor)
    {
        for (var id = process; id > 1; id = Parent(id))
        {
            if (id == ancestor)
            {
                return true;
            }
        }

        return false;
    }

    private static int Parent(int process)
    {
        var stat = File.ReadAllText($"/proc/{process}/stat");
        return int.Parse(stat[(stat.LastIndexOf(')') + 1)..].Split(' ', StringSplitOptions.RemoveEmptyEntries)[1], System.Globalization.CultureInfo.InvariantCulture);
    }
}
