using System.Collections.Immutable;
using Dormouse.Cli.Connection;
using Dormouse.Cli.Terminal;
using Dormouse.Client;
using Dormouse.Core.Endpoints;
using Dormouse.Protocol.Control;

namespace Dormouse.Cli.Deploy;

/// <summary>What a deploy of Python code is asked for.</summary>
/// <param name="Name">Of the endpoint; null = made of the app's and the function's.</param>
/// <param name="Settings">What the command line says; it counts over the decorators.</param>
internal sealed record PythonWishes(string? Name, RevisionSettings Settings, DebutSettings Debut, bool Verify, bool Wait);

/// <param name="Endpoint">As it is after the deploy.</param>
internal sealed record DeployedFunction(EndpointInfo Endpoint, Deployed Deployed);

/// <summary>
/// Makes endpoints of an app's functions: imports the code once on the server to see what it has, then deploys one endpoint a function. Several are first all deployed without traffic and get it
/// only when every one was accepted, so that an app changes as a whole or not at all.
/// </summary>
internal sealed class PythonDeployer(Session session)
{
    private readonly Deployer _deployer = new(session);

    public async Task<ImmutableArray<DeployedFunction>> DeployAsync(PackageSource source, PythonWishes wishes, CancellationToken cancellationToken)
    {
        var handler = Handler(source, wishes.Settings);
        var version = await _deployer.HashAsync(source.Versions[0], cancellationToken);
        var sent = await _deployer.UploadAsync(source.Name, version, cancellationToken);
        var list = await _deployer.FunctionsAsync(source.Name, version, handler.Module is null ? null : handler.ToString(), wishes.Settings, cancellationToken);
        var plans = Plan(source, wishes, handler, list);
        var deployed = plans.Length == 1
            ? [await DeployAsync(plans[0], version, wishes, wishes.Debut, cancellationToken)]
            : await DeployTogetherAsync(plans, version, wishes, cancellationToken);
        if (wishes.Debut.Traffic)
        {
            foreach (var plan in plans)
            {
                await FunctionSchedule.SetAsync(session, plan.Name, plan.Schedule, cancellationToken);
            }
        }

        var results = ImmutableArray.CreateBuilder<DeployedFunction>();
        foreach (var (plan, revision) in plans.Zip(deployed))
        {
            results.Add(new DeployedFunction(await session.Client.Endpoints.GetAsync(plan.Name, cancellationToken), revision with { SentBytes = sent }));
        }

        return results.ToImmutable();
    }

    /// <summary>What a revision of this source gets when settings are written over its decorator's; for one endpoint whose name is known.</summary>
    public async Task<Plan> PlanAsync(string name, PackageSource source, HashedVersion version, RevisionSettings settings, CancellationToken cancellationToken)
    {
        var handler = Handler(source, settings);
        await _deployer.UploadAsync(source.Name, version, cancellationToken);
        var list = await _deployer.FunctionsAsync(source.Name, version, handler.Module is null ? null : handler.ToString(), settings, cancellationToken);
        var function = Chosen(list, handler, isOne: true)[0];
        return new Plan(name, Merged(settings, function), function.Schedule);
    }

    /// <summary>The handler of the settings, else the file that was named.</summary>
    private static PythonHandler Handler(PackageSource source, RevisionSettings settings) =>
        !PythonHandler.TryParse(settings.Handler, out var handler) ? throw new CommandException(ExitCodes.Refused, "spec_invalid", $"handler is '{settings.Handler}'; allowed is {PythonHandler.Form}.")
        : handler.Module is null ? handler with { Module = source.Python?.Module }
        : handler;

    private static ImmutableArray<Plan> Plan(PackageSource source, PythonWishes wishes, PythonHandler handler, FunctionList list)
    {
        var functions = Chosen(list, handler, isOne: false);
        if (wishes.Name is not null && functions.Length > 1)
        {
            throw CommandException.Usage(
                $"--name is '{wishes.Name}', but {list.Module} has {functions.Length} functions ({Names(functions)}). Choose one with --handler {list.Module}::{functions[0].Name}, or leave --name out.");
        }

        if (functions.Length > 1 && wishes.Debut.Canary is not null)
        {
            throw CommandException.Usage($"--canary is for one endpoint, but {list.Module} has {functions.Length} functions ({Names(functions)}). Choose one with --handler {list.Module}::{functions[0].Name}.");
        }

        var app = list.App ?? source.Name;
        var plans = functions
            .Select(f => new Plan(wishes.Name ?? EndpointNames.From(functions.Length == 1 ? app : $"{app}-{f.Name}"), Merged(wishes.Settings, f), f.Schedule))
            .ToImmutableArray();
        foreach (var plan in plans)
        {
            if (EndpointName.Refusal(plan.Name) is { } refusal)
            {
                throw new CommandException(ExitCodes.Refused, "name_invalid", refusal);
            }

            if (SettingsCheck.Faults(plan.Settings) is { IsEmpty: false } faults)
            {
                throw new CommandException(ExitCodes.Refused, "spec_invalid", $"{plan.Name}: {string.Join(' ', faults.Select(f => f.Sentence))}");
            }
        }

        return plans.GroupBy(p => p.Name).FirstOrDefault(g => g.Count() > 1) is { } same
            ? throw CommandException.BadSource($"Several functions would be named '{same.Key}'. Deploy them one by one with --handler and --name.")
            : plans;
    }

    private static ImmutableArray<FunctionInfo> Chosen(FunctionList list, PythonHandler handler, bool isOne)
    {
        var chosen = handler.Function is { } name ? [.. list.Functions.Where(f => f.Name == name)] : list.Functions;
        if (chosen.IsEmpty)
        {
            throw new CommandException(ExitCodes.Refused, "code_invalid", list.Functions.IsEmpty
                ? $"{list.Module} has no function to serve. Decorate one with @app.function(), or write one called handler."
                : $"{list.Module} has no function '{handler.Function}' to serve; it has {Names(list.Functions)}.");
        }

        if (isOne && chosen.Length > 1)
        {
            throw new CommandException(ExitCodes.Refused, "code_invalid", $"{list.Module} has {chosen.Length} functions to serve ({Names(chosen)}). Name one with handler, such as {list.Module}::{chosen[0].Name}.");
        }

        return chosen.SelectMany(f => f.Unmet).ToArray() is { Length: > 0 } unmet
            ? throw new CommandException(ExitCodes.Refused, "spec_invalid", string.Join(' ', unmet))
            : chosen;
    }

    private static RevisionSettings Merged(RevisionSettings settings, FunctionInfo function) =>
        SettingsOverlay.Over(settings with { Runtime = function.Settings.Runtime, Handler = function.Settings.Handler }, function.Settings);

    private async Task<ImmutableArray<Deployed>> DeployTogetherAsync(ImmutableArray<Plan> plans, HashedVersion version, PythonWishes wishes, CancellationToken cancellationToken)
    {
        var added = ImmutableArray.CreateBuilder<string>();
        var deployed = ImmutableArray.CreateBuilder<Deployed>();
        try
        {
            foreach (var plan in plans)
            {
                if (await session.Client.Endpoints.FindAsync(plan.Name, cancellationToken) is null)
                {
                    added.Add(plan.Name);
                }

                // Whoever gives them traffic must know that all are ready.
                deployed.Add(await DeployAsync(plan, version, wishes with { Wait = true }, wishes.Debut with { Traffic = false }, cancellationToken));
            }
        }
        catch (Exception e) when (e is DormouseException or CommandException)
        {
            foreach (var name in added)
            {
                await DeleteAsync(name, cancellationToken);
            }

            throw new CommandException(
                (e as CommandException)?.ExitCode ?? ExitCodes.Of((DormouseException)e), (e as CommandException)?.Code ?? ((DormouseException)e).Problem.Code ?? "command_failed",
                $"{plans[deployed.Count].Name}: {e.Message} Nothing of the app has changed: what served before goes on.");
        }

        if (wishes.Debut.Traffic)
        {
            foreach (var (plan, result) in plans.Zip(deployed))
            {
                await session.Client.Endpoints.SetTrafficAsync(plan.Name, ImmutableSortedDictionary<string, int>.Empty.Add(result.Revision.Name, 100), cancellationToken);
            }
        }

        return deployed.ToImmutable();
    }

    private async Task DeleteAsync(string name, CancellationToken cancellationToken)
    {
        try
        {
            await session.Client.Endpoints.DeleteAsync(name, cancellationToken);
        }
        catch (DormouseException)
        {
            // It was never made, or is gone already; what is told is why the deploy failed.
        }
    }

    private Task<Deployed> DeployAsync(Plan plan, HashedVersion version, PythonWishes wishes, DebutSettings debut, CancellationToken cancellationToken) =>
        _deployer.DeployAsync(plan.Name, version, plan.Settings, debut, wishes.Verify, wishes.Wait, cancellationToken);

    private static string Names(IReadOnlyCollection<FunctionInfo> functions)
    {
        const int Shown = 8;
        return string.Join(", ", functions.Take(Shown).Select(f => f.Name)) + (functions.Count > Shown ? ", …" : "");
    }
}

/// <summary>One endpoint to be.</summary>
/// <param name="Schedule">Cron expression of its decorator; null = none.</param>
internal sealed record Plan(string Name, RevisionSettings Settings, string? Schedule);
