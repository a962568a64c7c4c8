using System.Collections.Immutable;
using Dormouse.Cli.Connection;
using Dormouse.Client;
using Dormouse.Protocol.Control;

namespace Dormouse.Cli.Deploy;

/// <summary>The trigger that a function's decorator asks for with <c>schedule=</c>: one of its own name, which comes and goes with what the decorator says.</summary>
internal static class FunctionSchedule
{
    private const string Suffix = "-schedule";

    private const string Kind = "cron";

    /// <summary>No arguments: the function is called as <c>f()</c>.</summary>
    private const string NoArguments = "{}";

    public static async Task SetAsync(Session session, string endpoint, string? schedule, CancellationToken cancellationToken)
    {
        var name = endpoint + Suffix;
        if (schedule is null)
        {
            if (await FindAsync(session, name, cancellationToken) is { Kind: Kind } left && left.Endpoint == endpoint)
            {
                await session.Client.Triggers.DeleteAsync(name, cancellationToken);
                session.Screen.Note($"{endpoint} is no longer called by a schedule: its decorator has none");
            }

            return;
        }

        await session.Client.Triggers.SetAsync(
            name,
            new TriggerRequest { Kind = Kind, Endpoint = endpoint, Source = ImmutableSortedDictionary<string, string>.Empty.Add("schedule", schedule), Input = NoArguments },
            cancellationToken);
        session.Screen.Note($"{endpoint} is called at '{schedule}' UTC ('dormouse trigger show {name}')");
    }

    private static async Task<TriggerInfo?> FindAsync(Session session, string name, CancellationToken cancellationToken)
    {
        try
        {
            return await session.Client.Triggers.GetAsync(name, cancellationToken);
        }
        catch (DormouseException e) when (e.Problem.Status == 404)
        {
            return null;
        }
    }
}
