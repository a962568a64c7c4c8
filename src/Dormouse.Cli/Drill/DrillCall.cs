using System.Text.Json.Nodes;
using Dormouse.Client;

namespace Dormouse.Cli.Drill;

/// <summary>One request of a drill; no two have the same id or the same input.</summary>
/// <param name="Number">From 1, in the order of sending.</param>
/// <param name="X">The input that the answer is counted up from.</param>
/// <param name="Trips">Turns of the model's loop: how long the run lasts.</param>
internal sealed record DrillCall(long Number, long X, int Trips)
{
    /// <summary>Far enough apart that no two calls share an answer, whatever revisions give them.</summary>
    private const long Apart = 1_000_000_007;

    public string Id => string.Create(System.Globalization.CultureInfo.InvariantCulture, $"call-{Number}");

    public static DrillCall Of(long number, int trips) => new(number, number * Apart, trips);

    /// <summary>Open Inference Protocol.</summary>
    public string Body() => new JsonObject
    {
        ["id"] = Id,
        ["inputs"] = new JsonArray(Input("x", X), Input("trips", Trips)),
    }.ToJsonString();

    private static JsonObject Input(string name, long value) =>
        new JsonObject { ["name"] = name, ["shape"] = new JsonArray(1), ["datatype"] = "INT64", ["data"] = new JsonArray(value) };
}

/// <summary>What came of a call.</summary>
/// <param name="Status">HTTP status; 0 = no answer.</param>
/// <param name="Body">Whole; empty without an answer.</param>
/// <param name="Failure">Why there is no answer.</param>
internal sealed record DrillReply(int Status, byte[] Body, InvocationTrace? Trace, TimeSpan Elapsed, string? Failure = null);
