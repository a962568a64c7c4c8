using System.Collections.Concurrent;
using System.Collections.Immutable;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Serialization.Metadata;
using Dormouse.Cli.Apply;
using Dormouse.Core.Endpoints;
using Dormouse.Protocol;
using Dormouse.Protocol.Control;
using Dormouse.Protocol.Inference;
using Dormouse.Protocol.Problems;
using Dormouse.Protocol.Signatures;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace Dormouse.Cli.Tests;

/// <summary>
/// The control plane and the address of the data plane as the command line sees them, in memory behind a real socket. It keeps what a real server keeps
/// (blobs, revisions, traffic, keys) and answers with the same types, statuses and problem documents; models are not loaded.
/// </summary>
internal sealed class FakeServer : IAsyncDisposable
{
    public const string AdminKey = "dm_admin_secret";

    private readonly WebApplication _app;
    private readonly ConcurrentDictionary<string, MemoryStream> _blobs = new();
    private readonly ConcurrentDictionary<string, EndpointInfo> _endpoints = new();
    private readonly List<KeyInfo> _keys = [];
    private int _breakAfter = -1;

    private FakeServer(WebApplication app) => _app = app;

    public Uri Address => new(_app.Urls.First());

    /// <summary>"METHOD /path" of every request, in order.</summary>
    public ConcurrentQueue<string> Requests { get; } = new();

    /// <summary>Bytes that came in with uploads.</summary>
    public long UploadedBytes { get; private set; }

    /// <summary>Answers of /invoke and /v2 by endpoint.</summary>
    public ConcurrentDictionary<string, Func<HttpContext, Task>> Handlers { get; } = new();

    public ConcurrentDictionary<string, ReceiptInfo> Receipts { get; } = new();

    /// <summary>Answers of /queue and of what is below an invocation.</summary>
    public Func<HttpContext, Task> Queue { get; set; } = context => ProblemAsync(context, ProblemCode.InvocationNotFound, "There is no such invocation.");

    public ConcurrentDictionary<string, TriggerInfo> Triggers { get; } = new();

    /// <summary>Answers of /destinations and /deliveries.</summary>
    public Func<HttpContext, Task> Destinations { get; set; } = context => ProblemAsync(context, ProblemCode.DestinationNotFound, "There is no such destination.");

    /// <summary>What a deploy refuses a model with; null = it is fine.</summary>
    public string? ModelFault { get; set; }

    /// <summary>How handovers end: "keeping", "failed", or null = they go on.</summary>
    public string? HandoverEnd { get; set; } = "keeping";

    public UsageReport? Usage { get; set; }

    public byte[] Blob(string sha256) => _blobs[sha256].ToArray();

    /// <summary>Answers everything about batch jobs.</summary>
    public Func<HttpContext, Task> Batches { get; set; } = context => ProblemAsync(context, ProblemCode.BatchNotFound, "There is no such batch job.");

    /// <summary>Endpoints in one page of the list.</summary>
    public int PageSize { get; set; } = 1000;

    public DoctorReport Doctor { get; set; } = new(true, [new DoctorCheck("launcher", "ok", "runs", null)]);

    /// <summary>Pages of arrivals; "after" is the number of the page.</summary>
    public ImmutableArray<ArrivalPage> ArrivalPages { get; set; } = [new([], null)];

    public ImmutableArray<LogLine> Logs { get; set; } = [];

    public static async Task<FakeServer> StartAsync()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        var server = new FakeServer(builder.Build());
        server._app.Run(server.HandleAsync);
        await server._app.StartAsync(TestContext.Current.CancellationToken);
        return server;
    }

    /// <summary>The next upload's connection is cut when so many of its bytes have come.</summary>
    public void BreakNextUploadAfter(int bytes) => _breakAfter = bytes;

    public EndpointInfo Endpoint(string name) => _endpoints[name];

    public void Put(EndpointInfo endpoint) => _endpoints[endpoint.Name] = endpoint;

    /// <summary>Paths and texts of a revision's files.</summary>
    public ImmutableSortedDictionary<string, byte[]> Files(RevisionInfo revision) =>
        revision.Files.ToImmutableSortedDictionary(f => f.Path, f => _blobs[f.Sha256].ToArray(), StringComparer.Ordinal);

    public async ValueTask DisposeAsync() => await _app.DisposeAsync();

    private static string? Goal(string? reference) => reference == "none" ? null : reference;

    private async Task TriggerAsync(HttpContext context, string name)
    {
        if (context.Request.Method == "PUT")
        {
            var request = (await context.Request.ReadFromJsonAsync(ControlJson.Default.TriggerRequest))!;
            Triggers[name] = new TriggerInfo
            {
                Name = name,
                Kind = request.Kind,
                Endpoint = request.Endpoint,
                Source = request.Source ?? ImmutableSortedDictionary<string, string>.Empty,
                Filter = request.Filter,
                Input = request.Input,
                BatchSize = request.BatchSize ?? 1,
                BatchWindow = request.BatchWindow ?? "0s",
                State = request.Paused == true ? "paused" : "active",
                CreatedAt = DateTimeOffset.UnixEpoch,
            };
        }

        if (!Triggers.TryGetValue(name, out var trigger))
        {
            await ProblemAsync(context, ProblemCode.TriggerNotFound, "There is no such trigger.");
        }
        else if (context.Request.Method == "DELETE")
        {
            Triggers.TryRemove(name, out _);
            context.Response.StatusCode = 204;
        }
        else
        {
            await JsonAsync(context, trigger, ControlJson.Default.TriggerInfo);
        }
    }

    private async Task HandleAsync(HttpContext context)
    {
        var path = context.Request.Path.Value!.Trim('/').Split('/');
        Requests.Enqueue($"{context.Request.Method} {context.Request.Path}{context.Request.QueryString}");
        if (path is ["v2", "repository", "models", var loaded, "load"])
        {
            await (_endpoints.TryGetValue(loaded, out var unloaded)
                ? Task.Run(() => Put(unloaded with { Status = "idle" }))
                : ProblemAsync(context, ProblemCode.EndpointNotFound, $"There is no endpoint '{loaded}'."));
            return;
        }

        if (path is ["invoke" or "v2", ..])
        {
            var name = path[0] == "invoke" ? path[1] : path[2];
            await (Handlers.TryGetValue(name, out var handler) ? handler(context) : ProblemAsync(context, ProblemCode.EndpointNotFound, $"There is no endpoint '{name}'."));
            return;
        }

        if (path is not ["api", "v1", .. var rest])
        {
            await ProblemAsync(context, ProblemCode.RouteNotFound, "No such address.");
            return;
        }

        if (context.Request.Headers.Authorization != "Bearer " + AdminKey)
        {
            await ProblemAsync(context, context.Request.Headers.Authorization.Count == 0 ? ProblemCode.KeyMissing : ProblemCode.KeyInvalid, "The key is not right.");
            return;
        }

        await (rest switch
        {
            ["version"] => JsonAsync(context, new VersionInfo("dormouse", "9.9.9", ".NET", "onnxruntime 1"), ControlJson.Default.VersionInfo),
            ["doctor"] => JsonAsync(context, Doctor, ControlJson.Default.DoctorReport),
            ["usage"] => JsonAsync(context, Usage!, ControlJson.Default.UsageReport),
            ["arrivals"] => JsonAsync(context, ArrivalPages[int.TryParse(context.Request.Query["after"], out var page) ? page : 0], ControlJson.Default.ArrivalPage),
            ["blobs", var hash] => BlobAsync(context, hash),
            ["invocations", var id] => ReceiptAsync(context, id),
            ["invocations", _, _] or ["queue", ..] => Queue(context),
            ["batches", ..] => Batches(context),
            ["keys", .. var key] => KeysAsync(context, key),
            ["triggers", var trigger] => TriggerAsync(context, trigger),
            ["destinations", ..] or ["deliveries", ..] => Destinations(context),
            ["endpoints"] => ListAsync(context),
            ["endpoints", var name, .. var what] => EndpointAsync(context, name, what),
            _ => ProblemAsync(context, ProblemCode.RouteNotFound, "No such address."),
        });
    }

    private Task ListAsync(HttpContext context)
    {
        var after = context.Request.Query["page_token"].ToString();
        var rest = _endpoints.Values.OrderBy(e => e.Name, StringComparer.Ordinal).Where(e => string.CompareOrdinal(e.Name, after) > 0).ToList();
        var page = rest.Take(PageSize).ToImmutableArray();
        return JsonAsync(context, new EndpointList(page, page.Length < rest.Count ? page[^1].Name : null), ControlJson.Default.EndpointList);
    }

    private async Task BlobAsync(HttpContext context, string hash)
    {
        if (context.Request.Method == "HEAD")
        {
            // As the real one: 404 until the whole file is there, and how much of it is.
            var known = _blobs.GetValueOrDefault(hash);
            Offset(context, known?.Length ?? 0);
            context.Response.StatusCode = known is not null && HashOf(known) == hash ? 200 : 404;
            return;
        }

        var blob = _blobs.GetOrAdd(hash, _ => new MemoryStream());
        var offset = long.Parse(context.Request.Headers[DormouseHeaders.UploadOffset].ToString(), CultureInfo.InvariantCulture);
        var size = long.Parse(context.Request.Headers["Upload-Length"].ToString(), CultureInfo.InvariantCulture);
        if (offset != blob.Length)
        {
            Offset(context, blob.Length);
            await ProblemAsync(context, ProblemCode.UploadOffsetWrong, "Go on elsewhere.");
            return;
        }

        var buffer = new byte[1000];
        int read;
        while ((read = await context.Request.Body.ReadAsync(buffer, context.RequestAborted)) > 0)
        {
            if (_breakAfter >= 0 && (_breakAfter -= read) < 0)
            {
                context.Abort();
                return;
            }

            blob.Write(buffer, 0, read);
            UploadedBytes += read;
        }

        if (blob.Length == size && HashOf(blob) != hash)
        {
            _blobs.TryRemove(hash, out _);
            await ProblemAsync(context, ProblemCode.UploadHashWrong, "The checksum differs.");
            return;
        }

        Offset(context, blob.Length);
        await JsonAsync(context, new BlobInfo(hash, blob.Length, blob.Length == size), ControlJson.Default.BlobInfo);
    }

    private static string HashOf(MemoryStream blob) => Convert.ToHexStringLower(SHA256.HashData(blob.ToArray()));

    private async Task EndpointAsync(HttpContext context, string name, string[] what)
    {
        if (what is ["revisions"] && context.Request.Method == "POST")
        {
            await DeployAsync(context, name);
            return;
        }

        if (!_endpoints.TryGetValue(name, out var endpoint))
        {
            await ProblemAsync(context, ProblemCode.EndpointNotFound, $"There is no endpoint '{name}'.");
            return;
        }

        switch (context.Request.Method, what)
        {
            case ("GET", []):
                await JsonAsync(context, endpoint, ControlJson.Default.EndpointInfo);
                Put(HandoverGoesOn(endpoint));
                break;
            case ("PATCH", []):
                var patch = await context.Request.ReadFromJsonAsync(ControlJson.Default.EndpointPatch);
                await ChangeAsync(context, endpoint with { Public = patch!.Public!.Value });
                break;
            case ("DELETE", []):
                _endpoints.TryRemove(name, out _);
                context.Response.StatusCode = 204;
                break;
            case ("PUT", ["traffic"]):
                var request = await context.Request.ReadFromJsonAsync(ControlJson.Default.TrafficRequest);
                await ChangeAsync(context, request!.Handover is { } handover ? WithHandover(endpoint, request.Traffic, handover) : WithTraffic(endpoint, request.Traffic));
                break;
            case ("PUT", ["tags", var tag]):
                var wanted = await context.Request.ReadFromJsonAsync(ControlJson.Default.TagRequest);
                await ChangeAsync(context, WithTag(endpoint, tag, wanted!.Revision));
                break;
            case ("DELETE", ["tags", var tag]):
                await ChangeAsync(context, endpoint with { Tags = endpoint.Tags?.Remove(tag) });
                break;
            case ("PUT", ["destinations"]):
                var goals = await context.Request.ReadFromJsonAsync(ControlJson.Default.DestinationsRequest);
                await ChangeAsync(context, endpoint with { OnSuccess = Goal(goals!.OnSuccess), OnFailure = Goal(goals.OnFailure) });
                break;
            case ("PUT", ["mirror"]):
                var mirror = await context.Request.ReadFromJsonAsync(ControlJson.Default.MirrorRequest);
                await ChangeAsync(context, endpoint with { Mirror = new MirrorInfo(mirror!.Revision!, mirror.Percent, mirror.Tolerance ?? 1e-4, 10, 7, 1, 2, 0, 0, 3, 0, 0.3, 0.5, 0.4, 0.6, "outputs[0].data[0] is 1 and 2") });
                break;
            case ("DELETE", ["mirror"]):
                await ChangeAsync(context, endpoint with { Mirror = null });
                break;
            case ("POST", ["rollback"]):
                var rollback = await context.Request.ReadFromJsonAsync(ControlJson.Default.RollbackRequest);
                var to = rollback!.Revision ?? "r" + (endpoint.Revisions.Max(r => r.Number) - 1).ToString(CultureInfo.InvariantCulture);
                await ChangeAsync(context, WithTraffic(endpoint, ImmutableSortedDictionary<string, int>.Empty.Add(to, 100)));
                break;
            case ("POST", ["stop"]):
                await ChangeAsync(context, endpoint with { Status = "idle", Instances = [] });
                break;
            case ("GET", ["logs"]):
                context.Response.ContentType = "application/x-ndjson";
                foreach (var line in Logs)
                {
                    await context.Response.WriteAsync(System.Text.Json.JsonSerializer.Serialize(line, ControlJson.Default.LogLine) + "\n");
                }

                break;
            default:
                await ProblemAsync(context, ProblemCode.MethodNotAllowed, "Not here.");
                break;
        }
    }

    private async Task DeployAsync(HttpContext context, string name)
    {
        var request = (await context.Request.ReadFromJsonAsync(ControlJson.Default.DeployRequest))!;
        if (request.Files.FirstOrDefault(f => !_blobs.TryGetValue(f.Sha256, out var blob) || blob.Length != f.SizeBytes) is { } missing)
        {
            await ProblemAsync(context, ProblemCode.BlobNotFound, $"'{missing.Path}' was not uploaded.");
            return;
        }

        if (EndpointName.Refusal(name) is { } refusal)
        {
            await ProblemAsync(context, ProblemCode.NameInvalid, refusal);
            return;
        }

        if (ModelFault is { } fault)
        {
            await ProblemAsync(context, ProblemCode.ModelInvalid, fault);
            return;
        }

        var old = _endpoints.GetValueOrDefault(name);
        var number = (old?.Revisions.Max(r => r.Number) ?? 0) + 1;
        var revision = new RevisionInfo
        {
            Name = "r" + number.ToString(CultureInfo.InvariantCulture),
            Number = number,
            State = request.Verify && context.Request.Query["wait"] == "false" ? "verifying" : "ready",
            Settings = FakeSettings.Applied(request.Settings with { Signature = Signature(request) }),
            Files = request.Files,
            SizeBytes = request.Files.Sum(f => f.SizeBytes),
            Interface = request.Verify ? new ModelInterface { Platform = "onnxruntime_onnx", Inputs = [new("image", "FP32", [-1, 1, 28, 28])], Outputs = [new("scores", "FP32", [-1, 10])] } : null,
            LoadMs = request.Verify ? 0.3 : null,
            Optimised = request.Verify,
            CreatedAt = DateTimeOffset.UnixEpoch,
        };
        var endpoint = old ?? new EndpointInfo
        {
            Name = name,
            Id = Guid.NewGuid().ToString(),
            Tenant = "default",
            Status = "idle",
            Url = $"{Address.GetLeftPart(UriPartial.Authority)}/v2/models/{name}/infer",
            Traffic = ImmutableSortedDictionary<string, int>.Empty,
            CreatedAt = DateTimeOffset.UnixEpoch,
        };
        endpoint = endpoint with { Revisions = [revision, .. endpoint.Revisions], Public = request.Settings.Public ?? endpoint.Public };
        endpoint = WithTag(endpoint, request.Tag, revision.Name);
        if (request.Canary is { } canary)
        {
            // It takes its share of the one revision that has all.
            var shares = endpoint.Traffic.ToImmutableSortedDictionary(t => t.Key, _ => 100 - canary.Percent).Add(revision.Name, canary.Percent);
            Put(WithTraffic(endpoint, shares) with
            {
                Canary = new CanaryInfo
                {
                    Revision = revision.Name,
                    State = "running",
                    Settings = new CanarySettings(canary.Percent, canary.Min ?? 100, canary.For ?? "30m"),
                    New = new CanaryCountsInfo(12, 1, 0, 0.31, 0.5, 9, 2),
                    Old = new CanaryCountsInfo(108, 0, 2, 0.3, 0.5, 103, 3),
                },
            });
            context.Response.StatusCode = 201;
            await JsonAsync(context, Endpoint(name).Revisions[0], ControlJson.Default.RevisionInfo);
            return;
        }

        if (request.Handover is { } warm)
        {
            Put(WithHandover(endpoint, ImmutableSortedDictionary<string, int>.Empty.Add(revision.Name, 100), warm));
            context.Response.StatusCode = 201;
            await JsonAsync(context, Endpoint(name).Revisions[0], ControlJson.Default.RevisionInfo);
            return;
        }

        Put(revision.State == "ready" && request.Traffic ? WithTraffic(endpoint, ImmutableSortedDictionary<string, int>.Empty.Add(revision.Name, 100)) : endpoint);
        context.Response.StatusCode = 201;
        await JsonAsync(context, Endpoint(name).Revisions[0], ControlJson.Default.RevisionInfo);
    }

    /// <summary>Canonical: the one of the request, else the one in the package.</summary>
    private string? Signature(DeployRequest request)
    {
        var written = request.Settings.Signature
            ?? (request.Files.FirstOrDefault(f => f.Path == "signature.yaml") is { } file ? Encoding.UTF8.GetString(_blobs[file.Sha256].ToArray()) : null);
        return written is null ? null : SignatureRules.ToJson(SignatureRules.Parse(YamlJson.Of(YamlPlaces.Load("signature", written))!.ToJsonString(), out _)!);
    }

    private static EndpointInfo WithHandover(EndpointInfo endpoint, ImmutableSortedDictionary<string, int> traffic, HandoverSettings settings) => endpoint with
    {
        Handover = new HandoverInfo
        {
            State = "warming",
            Traffic = traffic,
            Settings = new HandoverSettings(settings.Warm, settings.KeepOld ?? "0s", settings.For ?? "10m"),
            Standby = ImmutableSortedDictionary<string, int>.Empty.Add(traffic.Keys.Last(), settings.Warm ?? 1),
            Ready = ImmutableSortedDictionary<string, int>.Empty.Add(traffic.Keys.Last(), 0),
            StartedAt = DateTimeOffset.UnixEpoch,
        },
    };

    /// <summary>Who looks twice sees how a handover ended.</summary>
    private EndpointInfo HandoverGoesOn(EndpointInfo endpoint) => endpoint.Handover switch
    {
        { State: "warming" } handover when HandoverEnd == "failed" => endpoint with { Handover = handover with { State = "failed", Standby = null, Ready = null, Reason = "r2 failed to start 3 times" } },
        { State: "warming" } handover when HandoverEnd == "keeping" => WithTraffic(endpoint, handover.Traffic) with
        {
            Handover = handover with
            {
                State = "keeping",
                Reason = "2 of 2 instances of r2 were ready after 1 s",
                Standby = ImmutableSortedDictionary<string, int>.Empty.Add(endpoint.Traffic.Keys.First(), 3),
                KeptUntil = DateTimeOffset.UnixEpoch.AddMinutes(10),
            },
        },
        _ => endpoint,
    };

    private static EndpointInfo WithTag(EndpointInfo endpoint, string? tag, string? revision) => tag is null ? endpoint : endpoint with
    {
        Tags = (endpoint.Tags ?? ImmutableSortedDictionary<string, string>.Empty).SetItem(tag, revision!),
    };

    private static EndpointInfo WithTraffic(EndpointInfo endpoint, ImmutableSortedDictionary<string, int> traffic) => endpoint with
    {
        Traffic = traffic,
        Revisions = [.. endpoint.Revisions.Select(r => r with { Weight = traffic.GetValueOrDefault(r.Name) })],
    };

    private async Task ChangeAsync(HttpContext context, EndpointInfo endpoint)
    {
        Put(endpoint);
        await JsonAsync(context, endpoint, ControlJson.Default.EndpointInfo);
    }

    private async Task ReceiptAsync(HttpContext context, string id) =>
        await (Receipts.TryGetValue(id, out var receipt)
            ? JsonAsync(context, receipt, ControlJson.Default.ReceiptInfo)
            : ProblemAsync(context, ProblemCode.InvocationNotFound, "There is no such invocation."));

    private async Task KeysAsync(HttpContext context, string[] rest)
    {
        switch (context.Request.Method, rest)
        {
            case ("POST", []):
                var request = (await context.Request.ReadFromJsonAsync(ControlJson.Default.CreateKeyRequest))!;
                var key = new KeyInfo("k" + _keys.Count.ToString(CultureInfo.InvariantCulture), request.Name, request.Scopes, DateTimeOffset.UnixEpoch);
                _keys.Add(key);
                await JsonAsync(context, key with { Key = $"dm_{key.Id}_secret" }, ControlJson.Default.KeyInfo);
                break;
            case ("GET", []):
                await JsonAsync(context, new KeyList([.. _keys]), ControlJson.Default.KeyList);
                break;
            case ("DELETE", [var id]) when _keys.RemoveAll(k => k.Id == id) > 0:
                context.Response.StatusCode = 204;
                break;
            default:
                await ProblemAsync(context, ProblemCode.KeyNotFound, "There is no such key.");
                break;
        }
    }

    private static void Offset(HttpContext context, long offset) =>
        context.Response.Headers[DormouseHeaders.UploadOffset] = offset.ToString(CultureInfo.InvariantCulture);

    private static Task JsonAsync<T>(HttpContext context, T value, JsonTypeInfo<T> type) => context.Response.WriteAsJsonAsync(value, type);

    public static async Task ProblemAsync(HttpContext context, ProblemCode code, string detail)
    {
        context.Response.StatusCode = code.Status;
        await context.Response.WriteAsJsonAsync(
            new ProblemDocument { Type = code.Type, Title = code.Title, Status = code.Status, Detail = detail, Code = code.Code, Retryable = code.Retryable },
            ProblemJson.Default.ProblemDocument, "application/problem+json");
    }
}
