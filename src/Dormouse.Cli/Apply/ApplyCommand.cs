using System.Collections.Immutable;
using System.CommandLine;
using Dormouse.Cli.Commands;
using Dormouse.Cli.Connection;
using Dormouse.Cli.Deploy;
using Dormouse.Cli.LocalFiles;
using Dormouse.Cli.Terminal;

namespace Dormouse.Cli.Apply;

/// <summary><c>dormouse apply -f FILE</c> and <c>dormouse diff -f FILE</c>.</summary>
internal static class ApplyCommand
{
    public static Command Create(GlobalOptions globals)
    {
        var file = FileOption();
        var command = new CliCommand(
            "apply",
            "Make the server's endpoints as a file wants them. What is as it should be is left alone; endpoints that the file does not name too.",
            "dormouse apply -f dormouse.yaml") { file };
        return command.Runs(globals, async (session, parsed, cancellationToken) =>
        {
            var planner = new EndpointPlanner(session);
            var changes = ImmutableArray.CreateBuilder<ChangeDocument>();
            var wanted = await ReadAsync(parsed, file, cancellationToken);
            using var planned = await planner.PlanAsync(wanted, cancellationToken);
            foreach (var plan in planned.Plans)
            {
                changes.Add(await ApplyAsync(session, planner, plan, cancellationToken));
            }

            foreach (var plan in planned.Plans)
            {
                await planner.DirectAsync(plan, cancellationToken);
            }

            foreach (var trigger in wanted.Triggers)
            {
                changes.Add(await ApplyAsync(session, await TriggerPlan.MakeAsync(session, trigger, cancellationToken), cancellationToken));
            }

            if (session.Screen.IsJson)
            {
                session.Screen.Json(new ChangesDocument(changes.ToImmutable()), CliJson.Default.ChangesDocument);
            }
        });
    }

    public static Command CreateDiff(GlobalOptions globals)
    {
        var file = FileOption();
        var command = new CliCommand("diff", "Show what 'apply' would change. Exit code 1 when there is something.", "dormouse diff -f dormouse.yaml") { file };
        return command.Runs(globals, async (session, parsed, cancellationToken) =>
        {
            var planner = new EndpointPlanner(session);
            var changes = ImmutableArray.CreateBuilder<ChangeDocument>();
            var wanted = await ReadAsync(parsed, file, cancellationToken);
            using var planned = await planner.PlanAsync(wanted, cancellationToken);
            changes.AddRange(planned.Plans.Select(plan => Document(plan, null)));
            foreach (var trigger in wanted.Triggers)
            {
                changes.Add(Document(await TriggerPlan.MakeAsync(session, trigger, cancellationToken)));
            }

            if (session.Screen.IsJson)
            {
                session.Screen.Json(new ChangesDocument(changes.ToImmutable()), CliJson.Default.ChangesDocument);
            }
            else
            {
                WriteDifferences(session, changes);
            }

            return changes.All(c => c.Differences.IsEmpty) ? ExitCodes.Done : ExitCodes.Failed;
        });
    }

    private static Task<WantedState> ReadAsync(ParseResult parsed, Option<string> file, CancellationToken cancellationToken) =>
        LocalFile.RunAsync(() => WantedStateReader.Read(parsed.GetRequiredValue(file)), cancellationToken);

    private static async Task<ChangeDocument> ApplyAsync(Session session, EndpointPlanner planner, EndpointPlan plan, CancellationToken cancellationToken)
    {
        var deployed = await planner.CarryOutAsync(plan, cancellationToken);
        if (!session.Screen.IsJson)
        {
            session.Screen.Line($"{plan.Wanted.Name}: {(plan.IsNothing ? "unchanged" : plan.IsNew ? "made" : "changed")}{(deployed is null ? "" : $", {deployed.Revision.Name} · {DeployReport.Work(deployed)}")}");
            foreach (var line in plan.IsNew ? [] : plan.Differences)
            {
                session.Screen.Line("  " + line);
            }
        }

        if (plan.IsUnloaded)
        {
            session.Screen.Note($"note: {plan.Wanted.Name} is unloaded and refuses calls ('dormouse load {plan.Wanted.Name}' makes it serve again)");
        }

        if (!plan.IsNew && !plan.IsNothing && plan.Wanted.Handover is not null && await session.Client.Endpoints.FindAsync(plan.Wanted.Name, cancellationToken) is { Handover: { State: "waiting" or "warming" } handover })
        {
            session.Screen.Note($"note: {plan.Wanted.Name}: {HandoverReport.Sentence(handover, session.Surroundings.Time)} ('dormouse describe {plan.Wanted.Name}' shows how it stands)");
        }

        return Document(plan, deployed?.Revision.Name);
    }

    private static async Task<ChangeDocument> ApplyAsync(Session session, TriggerPlan plan, CancellationToken cancellationToken)
    {
        await plan.CarryOutAsync(session, cancellationToken);
        if (!session.Screen.IsJson)
        {
            session.Screen.Line($"trigger {plan.Wanted.Name}: {(plan.Differences.IsEmpty ? "unchanged" : plan.IsNew ? "made" : "changed")}");
            foreach (var line in plan.IsNew ? [] : plan.Differences)
            {
                session.Screen.Line("  " + line);
            }
        }

        return Document(plan);
    }

    private static ChangeDocument Document(TriggerPlan plan) =>
        new("triggers." + plan.Wanted.Name, plan.Differences.IsEmpty ? [] : [plan.IsNew ? "create" : "trigger"], plan.Differences, null);

    private static ChangeDocument Document(EndpointPlan plan, string? revision)
    {
        var actions = ImmutableArray.CreateBuilder<string>();
        if (!plan.Deploys.IsEmpty)
        {
            actions.Add(plan.IsNew ? "create" : "deploy");
        }

        if (plan.Public is not null)
        {
            actions.Add("public");
        }

        if (plan.Traffic is not null)
        {
            actions.Add("traffic");
        }

        if (plan.Mirror is not null)
        {
            actions.Add("mirror");
        }

        if (plan.Destinations is not null)
        {
            actions.Add("destinations");
        }

        return new ChangeDocument(plan.Wanted.Name, actions.ToImmutable(), plan.Differences, revision);
    }

    private static void WriteDifferences(Session session, IReadOnlyCollection<ChangeDocument> changes)
    {
        foreach (var change in changes.Where(c => !c.Differences.IsEmpty))
        {
            session.Screen.Line(change.Name + ":");
            foreach (var line in change.Differences)
            {
                session.Screen.Line("  " + line);
            }
        }

        if (changes.All(c => c.Differences.IsEmpty))
        {
            session.Screen.Note("No difference.");
        }
    }

    private static Option<string> FileOption() => new("--file", "-f") { HelpName = "file", Description = "The file with the wanted state.", DefaultValueFactory = _ => "dormouse.yaml" };
}
