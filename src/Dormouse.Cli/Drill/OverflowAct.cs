using System.Collections.Concurrent;
using Dormouse.Client;
using Dormouse.Protocol.Control;

namespace Dormouse.Cli.Drill;

/// <summary>
/// A revision with one slot and a queue of one overflows to a server that the drill itself plays, which now and then has no room. Promised: each call is answered once, here or there
/// and never by both, says where, and its receipt says the same.
/// </summary>
internal sealed class OverflowAct(DrillEndpoint endpoint, DrillCaller caller, DrillReceipts receipts, DrillPromises promises, Uri server)
{
    private const string Elsewhere = "overflow";

    private static readonly RevisionSettings Settings = DrillEndpoint.Settings with { MaxInstances = 1, QueueLimit = 1 };

    /// <param name="callAsync">Calls the endpoint more than it can take.</param>
    public async Task PlayAsync(string act, Func<CancellationToken, Task> callAsync, CancellationToken cancellationToken)
    {
        if (!server.IsLoopback)
        {
            promises.Skip(act, "the server is on another machine and cannot reach this one");
            return;
        }

        await using var neighbour = await DrillNeighbour.StartAsync(endpoint.Name, cancellationToken);
        neighbour.Revision = endpoint.Revisions + 1;
        var answers = new ConcurrentDictionary<string, InvocationTrace>(StringComparer.Ordinal);
        caller.Heard = (call, reply) =>
        {
            if (reply is { Status: 200, Trace: { } trace })
            {
                answers[call.Id] = trace;
            }
        };
        try
        {
            await endpoint.DeployAsync(Settings with { Overflow = new OverflowSettings(neighbour.Address.GetLeftPart(UriPartial.Authority)) }, cancellationToken);
            await callAsync(cancellationToken);
        }
        finally
        {
            caller.Heard = null;
        }

        await endpoint.BackToUsualAsync(cancellationToken);
        Judge(act, answers, neighbour, await receipts.LookAsync(cancellationToken));
    }

    private void Judge(string act, ConcurrentDictionary<string, InvocationTrace> answers, DrillNeighbour neighbour, IReadOnlyCollection<ReceiptInfo> listed)
    {
        var away = answers.Where(a => a.Value.Kind == Elsewhere).ToList();
        var both = answers.Count(a => a.Value.Kind != Elsewhere && neighbour.Ran.ContainsKey(a.Key));
        var again = neighbour.Ran.Count(r => r.Value > 1);
        var unknown = away.Count(a => !neighbour.Ran.ContainsKey(a.Key));
        promises.Check(away.Count > 0, act, $"nothing overflowed of {answers.Count} answered calls");
        promises.Check(both == 0, act, $"{both} calls were answered here and ran elsewhere as well");
        promises.Check(again == 0, act, $"{again} calls ran elsewhere more than once");
        promises.Check(unknown == 0, act, $"{unknown} calls are said to have run elsewhere and did not");
        var byId = listed.ToDictionary(r => r.Id, StringComparer.Ordinal);
        var amiss = away.Count(a => a.Value.InvocationId is not { } id || byId.GetValueOrDefault(id) is not { Line: Elsewhere, Overflow: { } host } || host != neighbour.Address.Authority);
        promises.Check(amiss == 0, act, $"{amiss} calls ran elsewhere and have no receipt of the line overflow with the host");
    }
}
