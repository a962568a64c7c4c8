using System.Collections.Concurrent;
using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;

namespace Dormouse.Cli.Drill;

/// <summary>
/// Another server as an overflow address sees it: answers drill calls as the revision that overflows would, says of every fifth that it has no room, and remembers what it ran. It
/// listens on loopback while an act needs it.
/// </summary>
internal sealed class DrillNeighbour : IAsyncDisposable
{
    private const int RefusesEvery = 5;
    private const int BodyBytesMax = 1 << 20;

    private readonly WebApplication _app;
    private readonly string _endpoint;
    private readonly ConcurrentDictionary<string, int> _ran = new(StringComparer.Ordinal);
    private int _asked;

    private DrillNeighbour(WebApplication app, string endpoint) => (_app, _endpoint) = (app, endpoint);

    /// <summary>Number of the revision that it answers for.</summary>
    public int Revision { get; set; }

    public Uri Address => new(_app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.Single()); // It has started.

    /// <summary>How often it ran each call, by the call's id.</summary>
    public IReadOnlyDictionary<string, int> Ran => _ran;

    public static async Task<DrillNeighbour> StartAsync(string endpoint, CancellationToken cancellationToken)
    {
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrelCore().UseUrls("http://127.0.0.1:0").ConfigureKestrel(kestrel => kestrel.Limits.MaxRequestBodySize = BodyBytesMax);
        var app = builder.Build();
        var neighbour = new DrillNeighbour(app, endpoint);
        app.Run(neighbour.AnswerAsync);
        await app.StartAsync(cancellationToken);
        return neighbour;
    }

    public async ValueTask DisposeAsync()
    {
        await _app.StopAsync(CancellationToken.None);
        await _app.DisposeAsync();
    }

    private async Task AnswerAsync(HttpContext context)
    {
        if (Interlocked.Increment(ref _asked) % RefusesEvery == 0)
        {
            context.Response.StatusCode = StatusCodes.Status503ServiceUnavailable;
            return;
        }

        DrillCall call;
        try
        {
            using var request = await JsonDocument.ParseAsync(context.Request.Body, cancellationToken: context.RequestAborted);
            call = Read(request.RootElement);
        }
        catch (Exception e) when (e is JsonException or KeyNotFoundException or InvalidOperationException or FormatException)
        {
            // No call of the drill: nothing ran.
            context.Response.StatusCode = StatusCodes.Status404NotFound;
            return;
        }

        _ran.AddOrUpdate(call.Id, 1, (_, times) => times + 1);
        context.Response.ContentType = "application/json";
        await context.Response.WriteAsync(Answer(call).ToJsonString(), context.RequestAborted);
    }

    private static DrillCall Read(JsonElement request)
    {
        var inputs = request.GetProperty("inputs").EnumerateArray().ToDictionary(i => i.GetProperty("name").GetString() ?? "", i => i.GetProperty("data")[0].GetInt64(), StringComparer.Ordinal);
        var id = request.GetProperty("id").GetString() ?? "";
        return new DrillCall(long.Parse(id[(id.IndexOf('-', StringComparison.Ordinal) + 1)..], CultureInfo.InvariantCulture), inputs["x"], (int)inputs["trips"]);
    }

    private JsonObject Answer(DrillCall call) => new()
    {
        ["id"] = call.Id,
        ["model_name"] = _endpoint,
        ["model_version"] = Revision.ToString(CultureInfo.InvariantCulture),
        ["outputs"] = new JsonArray(new JsonObject
        {
            ["name"] = DrillModel.Total,
            ["datatype"] = "INT64",
            ["shape"] = new JsonArray(1),
            ["data"] = new JsonArray(DrillModel.Answer(call, Revision)),
        }),
    };
}
