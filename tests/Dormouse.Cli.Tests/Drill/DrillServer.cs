using System.Collections.Immutable;
using System.Globalization;
using System.Net;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Dormouse.Cli.Drill;
using Dormouse.Client;
using Dormouse.Protocol.Control;
using Microsoft.Extensions.Time.Testing;

namespace Dormouse.Cli.Tests.Drill;

/// <summary>The part of a server that a drill's calls and accounts meet, in memory: it answers as it must, unless a fault was ordered for the next call.</summary>
internal sealed class DrillServer : HttpMessageHandler
{
    public const string Endpoint = "drill-test";

    private readonly List<ReceiptInfo> _receipts = [];
    private int _invocation;

    public FakeTimeProvider Time { get; } = new();

    /// <summary>The revision that has all traffic.</summary>
    public int Revision { get; set; } = 1;

    /// <summary>Changes the right answer of the next call; null = none.</summary>
    public Action<JsonObject>? Garble { get; set; }

    /// <summary>How long the next call takes.</summary>
    public TimeSpan Duration { get; set; }

    /// <summary>The next call's connection breaks after its run.</summary>
    public bool BreaksNext { get; set; }

    /// <summary>The next call is answered with this problem.</summary>
    public (HttpStatusCode Status, string Code)? Problem { get; set; }

    /// <summary>Receipts that the next call leaves.</summary>
    public int ReceiptsOfNext { get; set; } = 1;

    /// <summary>Invocations that the totals have beyond the receipts.</summary>
    public int TotalsBeyond { get; set; }

    public DormouseClient Client => new(this, new Uri("http://drill.test"), null, Time);

    protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken) => request.RequestUri!.AbsolutePath switch
    {
        $"/v2/models/{Endpoint}/infer" => Infer(JsonNode.Parse(await request.Content!.ReadAsStringAsync(cancellationToken))!),
        "/api/v1/invocations" => Json(JsonSerializer.Serialize(new ReceiptList([.. _receipts]), ControlJson.Default.ReceiptList)),
        "/api/v1/usage" => Json(JsonSerializer.Serialize(Usage(), ControlJson.Default.UsageReport)),
        _ => Json("""{"code":"invocation_not_found","title":"None"}""", HttpStatusCode.NotFound),
    };

    private HttpResponseMessage Infer(JsonNode call)
    {
        Time.Advance(Duration);
        var id = "invocation-" + (++_invocation).ToString(CultureInfo.InvariantCulture);
        if (Problem is { } problem)
        {
            Problem = null;
            return Named(Json($$"""{"code":"{{problem.Code}}","detail":"No."}""", problem.Status), id);
        }

        for (var i = 0; i < ReceiptsOfNext; i++)
        {
            _receipts.Add(Receipt(i == 0 ? id : $"{id}-again"));
        }

        ReceiptsOfNext = 1;
        if (BreaksNext)
        {
            BreaksNext = false;
            throw new HttpRequestException("The connection broke.");
        }

        var answer = new JsonObject
        {
            ["id"] = call["id"]!.GetValue<string>(),
            ["model_name"] = Endpoint,
            ["model_version"] = Revision.ToString(CultureInfo.InvariantCulture),
            ["outputs"] = new JsonArray(new JsonObject { ["name"] = "total", ["shape"] = new JsonArray(1), ["datatype"] = "INT64", ["data"] = new JsonArray(Input(call, 0) + (Input(call, 1) * Revision)) }),
        };
        Garble?.Invoke(answer);
        Garble = null;
        return Named(Json(answer.ToJsonString()), id);
    }

    private static long Input(JsonNode call, int index) => call["inputs"]![index]!["data"]![0]!.GetValue<long>();

    private static HttpResponseMessage Json(string text, HttpStatusCode status = HttpStatusCode.OK) => new(status) { Content = new StringContent(text, Encoding.UTF8, "application/json") };

    private static HttpResponseMessage Named(HttpResponseMessage response, string id)
    {
        response.Headers.Add("Dormouse-Invocation-Id", id);
        response.Headers.Add("Dormouse-Start", "warm");
        return response;
    }

    private UsageReport Usage()
    {
        var total = new UsageRow(
            null, null, null, _receipts.Count + TotalsBeyond, 0, 0, 0, 0, _receipts.Sum(r => r.BilledMs), 0, "0",
            _receipts.Sum(r => r.PricePico).ToString(CultureInfo.InvariantCulture), "0");
        return new UsageReport { From = DateTimeOffset.UnixEpoch, To = DateTimeOffset.UnixEpoch, Currency = "USD", Rows = [total], Total = total };
    }

    private static ReceiptInfo Receipt(string id) => new()
    {
        Id = id,
        Endpoint = Endpoint,
        EndpointId = "e",
        Revision = "r1",
        Instance = "i",
        Outcome = "completed",
        StartedAt = DateTimeOffset.UnixEpoch,
        Start = "warm",
        Price = "0",
        PricePico = 8_333,
        BilledMs = 2,
        Currency = "USD",
    };
}

/// <summary>A caller of that server, and what it counted.</summary>
internal sealed class DrillBench
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(2);

    private readonly DormouseClient _client;
    private readonly DrillCaller _caller;

    public DrillBench()
    {
        _client = Server.Client;
        Traffic.Changing([1], Server.Time.GetTimestamp());
        Traffic.Changed(Server.Time.GetTimestamp());
        _caller = new DrillCaller(_client.Invocations, DrillServer.Endpoint, Traffic, Deadline, Server.Time);
    }

    public DrillServer Server { get; } = new();

    public TrafficHistory Traffic { get; } = new();

    public ActCounts Counts => ActCounts.Sum(_caller.Tally.Acts());

    public ImmutableArray<string> Faults => _caller.Tally.Faults();

    public async Task CallAsync(int calls = 1)
    {
        for (var i = 0; i < calls; i++)
        {
            await _caller.CallAsync("act", 3, TestContext.Current.CancellationToken);
        }
    }

    public Task<DrillAccounts> AccountsAsync() => new DrillReceipts(_client.Usage, DrillServer.Endpoint, Server.Time)
        .CompareAsync(_caller.Tally.Answered(), DateTimeOffset.UnixEpoch, TestContext.Current.CancellationToken);
}
