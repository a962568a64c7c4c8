using System.Collections.Immutable;
using Dormouse.Cli.Connection;
using Dormouse.Cli.Deploy;
using Dormouse.Cli.LocalFiles;
using Dormouse.Cli.Terminal;

namespace Dormouse.Cli.Apply;

/// <summary>Reads the wanted endpoints' sources and the server's state, and plans. Nothing is changed before every endpoint has its plan.</summary>
internal sealed class EndpointPlanner(Session session)
{
    /// <summary>Plans of all endpoints, in the file's order, pipelines last.</summary>
    /// <exception cref="CommandException">Something of the file cannot be: all such mistakes, each with its place.</exception>
    public async Task<PlannedState> PlanAsync(WantedState state, CancellationToken cancellationToken)
    {
        var planned = new PlannedState();
        try
        {
            var sources = new List<(WantedEndpoint Wanted, PackageSource Source)>();
            foreach (var wanted in state.Endpoints)
            {
                if ((wanted.Package ?? await FetchAsync(planned, state.Places, wanted, cancellationToken)) is { } source)
                {
                    sources.Add((wanted, source));
                }
            }

            state.Places.ThrowIfAny();
            // What pipelines call must be there before them.
            foreach (var (wanted, source) in sources.OrderBy(s => s.Source.IsPipeline))
            {
                var plan = await PlanAsync(wanted, source, cancellationToken);
                foreach (var (key, revision, fault) in plan.RevisionFaults)
                {
                    state.Places.Add(wanted, key, $"{revision}: {fault}");
                }

                planned.Plans.Add(plan);
            }

            state.Places.ThrowIfAny();
            return planned;
        }
        catch
        {
            planned.Dispose();
            throw;
        }
    }

    public async Task<EndpointPlan> PlanAsync(WantedEndpoint wanted, PackageSource source, CancellationToken cancellationToken)
    {
        var deployer = new Deployer(session);
        var versions = ImmutableArray.CreateBuilder<HashedVersion>();
        foreach (var version in source.Versions)
        {
            versions.Add(await deployer.HashAsync(version, cancellationToken));
        }

        var actual = await session.Client.Endpoints.FindAsync(wanted.Name, cancellationToken);
        return EndpointPlan.Make(wanted, versions.ToImmutable(), source.Python is null ? PackageSignature.Of(source.Versions[^1]) : null, actual);
    }

    /// <summary>Carries a plan out; the last revision made, or null when none was.</summary>
    public async Task<Deployed?> CarryOutAsync(EndpointPlan plan, CancellationToken cancellationToken)
    {
        var deployer = new Deployer(session);
        Deployed? last = null;
        foreach (var version in plan.Deploys)
        {
            var function = plan.Wanted.Package is { Python: not null } code
                ? await new PythonDeployer(session).PlanAsync(plan.Wanted.Name, code, version, plan.Wanted.Settings, cancellationToken)
                : null;
            last = await deployer.DeployAsync(plan.Wanted.Name, version, function?.Settings ?? plan.Wanted.Settings, Debut(plan, version), plan.Wanted.Verify, wait: true, cancellationToken);
            if (function is not null)
            {
                await FunctionSchedule.SetAsync(session, plan.Wanted.Name, function.Schedule, cancellationToken);
            }
        }

        if (plan.Public is { } isPublic)
        {
            await session.Client.Endpoints.SetPublicAsync(plan.Wanted.Name, isPublic, cancellationToken);
        }

        if (plan.Traffic is { } traffic)
        {
            await session.Client.Endpoints.SetTrafficAsync(plan.Wanted.Name, traffic, plan.IsNew ? null : plan.Wanted.Handover, cancellationToken);
        }

        if (plan.Mirror is { To: { } mirror })
        {
            await session.Client.Endpoints.SetMirrorAsync(plan.Wanted.Name, mirror, cancellationToken);
        }
        else if (plan.Mirror is not null)
        {
            await session.Client.Endpoints.DeleteMirrorAsync(plan.Wanted.Name, cancellationToken);
        }

        if (plan.Tag is { } revision)
        {
            await session.Client.Endpoints.SetTagAsync(plan.Wanted.Name, plan.Wanted.Tag!, revision, cancellationToken); // A plan sets the tag that is wanted.
        }

        return last;
    }

    /// <summary>Says where outcomes go; when every endpoint is there, because they may go to one of them.</summary>
    public async Task DirectAsync(EndpointPlan plan, CancellationToken cancellationToken)
    {
        if (plan.Destinations is { } goals)
        {
            await session.Client.Destinations.UseAsync(plan.Wanted.Name, goals.OnSuccess, goals.OnFailure, cancellationToken);
        }
    }

    private static DebutSettings Debut(EndpointPlan plan, HashedVersion version) =>
        new(plan.IsNew ? null : plan.Wanted.Canary, version == plan.Deploys[^1] ? plan.Wanted.Tag : null, Traffic: true)
        {
            // With traffic of its own the file says what moves, and that is handed over; the revisions before the newest only pass by.
            Handover = plan.IsNew || plan.Traffic is not null || version != plan.Deploys[^1] ? null : plan.Wanted.Handover,
        };

    private async Task<PackageSource?> FetchAsync(PlannedState planned, YamlPlaces places, WantedEndpoint wanted, CancellationToken cancellationToken)
    {
        try
        {
            var fetched = await RemoteSource.FetchAsync(session, wanted.Source, RemoteSource.BytesMax, cancellationToken);
            planned.Fetched.Add(fetched);
            return await LocalFile.RunAsync(() => SourceReader.Read(fetched.File), cancellationToken);
        }
        catch (CommandException e)
        {
            places.Add(wanted, "source", e.Message);
            return null;
        }
    }
}

/// <summary>Plans, and the fetched files that they need until they are carried out.</summary>
internal sealed class PlannedState : IDisposable
{
    public List<EndpointPlan> Plans { get; } = [];

    public List<RemoteSource> Fetched { get; } = [];

    public void Dispose()
    {
        foreach (var source in Fetched)
        {
            source.Dispose();
        }
    }
}
