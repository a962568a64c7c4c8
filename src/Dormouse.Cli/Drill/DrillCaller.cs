using System.Net.Http.Headers;
using System.Text;
using Dormouse.Client;

namespace Dormouse.Cli.Drill;

/// <summary>Sends calls, has each judged, and counts it.</summary>
internal sealed class DrillCaller(InvocationsClient invocations, string endpoint, TrafficHistory traffic, TimeSpan deadline, TimeProvider time)
{
    /// <summary>Nobody waits longer than this beyond the deadline: then the call is lost, not late.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private long _number;

    public DrillTally Tally { get; } = new();

    /// <summary>Hears of every call and what came of it, on whatever thread that is; null = nobody does.</summary>
    public Action<DrillCall, DrillReply>? Heard { get; set; }

    /// <summary>One call, from its sending to its count. Only a cancelled drill throws.</summary>
    public async Task CallAsync(string act, int trips, CancellationToken cancellationToken)
    {
        var call = DrillCall.Of(Interlocked.Increment(ref _number), trips);
        var sent = time.GetTimestamp();
        var reply = await SendAsync(call, sent, cancellationToken);
        Heard?.Invoke(call, reply);
        Tally.Count(act, reply, DrillJudge.Of(endpoint, call, reply, traffic.Between(sent, time.GetTimestamp()), deadline));
    }

    private async Task<DrillReply> SendAsync(DrillCall call, long sent, CancellationToken cancellationToken)
    {
        using var patience = new CancellationTokenSource(deadline + Patience, time);
        using var linked = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, patience.Token);
        InvocationTrace? trace = null;
        try
        {
            using var content = new ByteArrayContent(Encoding.UTF8.GetBytes(call.Body())) { Headers = { ContentType = new MediaTypeHeaderValue("application/json") } };
            using var response = await invocations.InferAsync(endpoint, content, cancellationToken: linked.Token);
            trace = InvocationTrace.Of(response);
            var body = await response.Content.ReadAsByteArrayAsync(linked.Token);
            return new DrillReply((int)response.StatusCode, body, trace, time.GetElapsedTime(sent));
        }
        catch (Exception e) when (e is DormouseException or HttpRequestException or IOException)
        {
            return new DrillReply(0, [], trace, time.GetElapsedTime(sent), e.Message);
        }
        catch (OperationCanceledException) when (patience.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
        {
            return new DrillReply(0, [], trace, time.GetElapsedTime(sent), "given up");
        }
    }
}
