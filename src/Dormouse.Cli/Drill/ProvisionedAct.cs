using Dormouse.Client;
using Dormouse.Protocol.Control;

namespace Dormouse.Cli.Drill;

/// <summary>
/// A revision with one provisioned instance. Promised: it is there before anybody calls and stays when nobody does, calls that find it idle start nothing, what runs on it has its price,
/// and its time is accounted: not less than it was seen, not more than it can have been there.
/// </summary>
internal sealed class ProvisionedAct(DrillEndpoint endpoint, DrillCaller caller, DrillReceipts receipts, DrillPromises promises, TimeProvider time)
{
    private const int Calls = 5;
    private const int Trips = 1_000;
    private const string RunLine = "provisioned";
    private const string TimeLine = "provisioned_time";

    private static readonly TimeSpan ReadyLimit = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan ReceiptLimit = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan LookAgain = TimeSpan.FromMilliseconds(50);

    public async Task PlayAsync(string act, CancellationToken cancellationToken)
    {
        var asked = time.GetTimestamp();
        try
        {
            await endpoint.DeployAsync(DrillEndpoint.Settings with { Provisioned = 1 }, cancellationToken);
        }
        catch (DormouseException e) when (e.Problem.Code == "spec_invalid")
        {
            promises.Skip(act, $"there is no room: {e.Message}");
            return;
        }

        var revision = endpoint.Revisions;
        if (await ReadyAsync(cancellationToken) is not { } ready)
        {
            promises.Check(false, act, $"no provisioned instance was ready within {ReadyLimit.TotalSeconds} s");
            await endpoint.BackToUsualAsync(cancellationToken);
            return;
        }

        var seen = time.GetTimestamp();
        var (warm, invocations) = (0, new List<string>());
        caller.Heard = (_, reply) =>
        {
            warm += reply is { Status: 200, Trace.Kind: "warm" } ? 1 : 0;
            invocations.AddRange(reply.Trace?.InvocationId is { } id ? [id] : Array.Empty<string>());
        };
        try
        {
            for (var i = 0; i < Calls; i++)
            {
                await caller.CallAsync(act, Trips, cancellationToken);
            }
        }
        finally
        {
            caller.Heard = null;
        }

        promises.Check(warm == Calls, act, $"{Calls - warm} of {Calls} calls, one after the other, did not find the provisioned instance ready");
        // Longer than other instances are kept.
        await Task.Delay(DrillEndpoint.IdleTimeout * 1.5, time, cancellationToken);
        var later = await ReadyAsync(cancellationToken);
        promises.Check(later?.Id == ready.Id, act, $"{ready.Id} was idle and is not there any more");
        var known = time.GetElapsedTime(seen);
        await endpoint.BackToUsualAsync(cancellationToken);
        await JudgeAsync(act, revision, invocations, known, asked, cancellationToken);
    }

    /// <summary>The account is closed when the instance has gone, shortly after the traffic.</summary>
    private async Task JudgeAsync(string act, int revision, List<string> invocations, TimeSpan known, long asked, CancellationToken cancellationToken)
    {
        var start = time.GetTimestamp();
        while (true)
        {
            var listed = (await receipts.LookAsync(cancellationToken)).ToList();
            var accounted = TimeSpan.FromMicroseconds(listed.Where(r => r.Line == TimeLine && r.Revision == DrillEndpoint.NameOf(revision)).Sum(r => r.MeteredMicroseconds));
            var most = time.GetElapsedTime(asked);
            if (accounted >= known || time.GetElapsedTime(start) > ReceiptLimit)
            {
                promises.Check(accounted >= known && accounted <= most, act, $"the provisioned instance was seen for {known.TotalSeconds:0.0} s within {most.TotalSeconds:0.0} s, and {accounted.TotalSeconds:0.0} s are accounted");
                var amiss = invocations.Count(id => listed.Find(r => r.Id == id) is not { Line: RunLine });
                promises.Check(amiss == 0, act, $"{amiss} calls ran on the provisioned instance and have no receipt of the line provisioned");
                return;
            }

            await Task.Delay(LookAgain, time, cancellationToken);
        }
    }

    private async Task<InstanceInfo?> ReadyAsync(CancellationToken cancellationToken)
    {
        var start = time.GetTimestamp();
        while (time.GetElapsedTime(start) < ReadyLimit)
        {
            if ((await endpoint.InstancesAsync(cancellationToken)).FirstOrDefault(i => i.Provisioned) is { } instance)
            {
                return instance;
            }

            await Task.Delay(LookAgain, time, cancellationToken);
        }

        return null;
    }
}
