using System.Collections.Immutable;
using Dormouse.Cli.Connection;
using Dormouse.Cli.Deploy;
using Dormouse.Cli.LocalFiles;

namespace Dormouse.Cli.Apply;

/// <summary>Reads a wanted endpoint's source and the server's state, and plans.</summary>
internal sealed class EndpointPlanner(Session session)
{
    private static readonly string[] SignatureFiles = ["signature.yaml", "signature.yml"];

    /// <summary>The source must stay on disk until the plan is carried out: <paramref name="use"/> does that.</summary>
    public async Task<T> WithPlanAsync<T>(WantedEndpoint wanted, Func<EndpointPlan, Task<T>> use, CancellationToken cancellationToken)
    {
        using var fetched = RemoteSource.IsAddress(wanted.Source)
            ? await RemoteSource.FetchAsync(session, wanted.Source, RemoteSource.BytesMax, cancellationToken)
            : null;
        var source = await LocalFile.RunAsync(() => SourceReader.Read(fetched?.File ?? wanted.Source), cancellationToken);
        return await use(await PlanAsync(wanted, source, cancellationToken));
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
        return EndpointPlan.Make(wanted, versions.ToImmutable(), PackageSignature(source.Versions[^1]), actual);
    }

    private static string? PackageSignature(SourceVersion version) =>
        version.Files.FirstOrDefault(f => SignatureFiles.Contains(f.Path)) is { } file
            ? YamlJson.Of(YamlPlaces.Load(file.LocalPath, File.ReadAllText(file.LocalPath)))?.ToJsonString()
            : null;

    /// <summary>Carries a plan out; the last revision made, or null when none was.</summary>
    public async Task<Deployed?> CarryOutAsync(EndpointPlan plan, CancellationToken cancellationToken)
    {
        var deployer = new Deployer(session);
        Deployed? last = null;
        foreach (var version in plan.Deploys)
        {
            last = await deployer.DeployAsync(plan.Wanted.Name, version, plan.Wanted.Settings, plan.Wanted.Verify, wait: true, cancellationToken);
        }

        if (plan.Public is { } isPublic)
        {
            await session.Client.Endpoints.SetPublicAsync(plan.Wanted.Name, isPublic, cancellationToken);
        }

        if (plan.Traffic is { } traffic)
        {
            await session.Client.Endpoints.SetTrafficAsync(plan.Wanted.Name, traffic, cancellationToken);
        }

        return last;
    }
}
