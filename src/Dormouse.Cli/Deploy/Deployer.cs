using System.Collections.Immutable;
using Dormouse.Cli.Connection;
using Dormouse.Cli.Environments;
using Dormouse.Cli.Terminal;
using Dormouse.Client;
using Dormouse.Core.Endpoints;
using Dormouse.Protocol.Control;

namespace Dormouse.Cli.Deploy;

/// <summary>Hash, upload what is missing, make the revision.</summary>
internal sealed class Deployer(Session session)
{
    /// <summary>Reads every file of a version once for its hash.</summary>
    public async Task<HashedVersion> HashAsync(SourceVersion version, CancellationToken cancellationToken)
    {
        var total = version.Files.Sum(f => new FileInfo(f.LocalPath).Length);
        return await session.Activity.RunAsync("reading", total, async progress =>
        {
            var files = ImmutableArray.CreateBuilder<(SourceFile, PackageFileInfo)>();
            foreach (var file in version.Files)
            {
                files.Add((file, await BlobUploader.HashAsync(file.LocalPath, file.Path, progress, cancellationToken)));
            }

            return new HashedVersion(version.Version, files.ToImmutable());
        });
    }

    /// <summary>Sends what the server lacks; bytes sent.</summary>
    public Task<long> UploadAsync(string name, HashedVersion version, CancellationToken cancellationToken) =>
        session.Activity.RunAsync($"uploading {name}", version.SizeBytes, async progress =>
        {
            var bytes = 0L;
            foreach (var (file, blob) in version.Files.DistinctBy(f => f.Blob.Sha256))
            {
                bytes += await session.Client.Blobs.UploadAsync(file.LocalPath, blob, progress, cancellationToken);
            }

            return bytes;
        });

    /// <summary>Which functions uploaded Python files have.</summary>
    /// <param name="handler">Names their file; null = the runner looks for it.</param>
    /// <param name="settings">Variables, and what is said of the environment, which is built first and shown while it is.</param>
    public async Task<FunctionList> FunctionsAsync(string name, HashedVersion version, string? handler, RevisionSettings settings, CancellationToken cancellationToken)
    {
        var request = Request(version, handler, settings);
        await EnvironmentWatch.BuildAsync(session, request, cancellationToken);
        return await session.Activity.RunAsync($"importing {name}", () => session.Client.Functions.ListAsync(request, cancellationToken));
    }

    /// <summary>Which functions, and what is said of their environment.</summary>
    public static FunctionsRequest Request(HashedVersion version, string? handler, RevisionSettings settings) => new()
    {
        Files = version.Package,
        Handler = handler,
        Environment = settings.Environment,
        Secrets = settings.Secrets,
        SecretFiles = settings.SecretFiles,
        Isolation = settings.Isolation,
        Network = settings.Network,
        Python = settings.Python,
        Pip = settings.Pip,
        Requirements = settings.Requirements,
        SystemPackages = settings.SystemPackages,
    };

    public async Task<Deployed> DeployAsync(
        string endpoint, HashedVersion version, RevisionSettings settings, DebutSettings debut, bool verify, bool wait, CancellationToken cancellationToken)
    {
        var client = session.Client;
        var sent = await UploadAsync(endpoint, version, cancellationToken);
        var request = new DeployRequest { Files = version.Package, Settings = settings, Verify = verify, Canary = debut.Canary, Handover = debut.Handover, Tag = debut.Tag, Traffic = debut.Traffic };
        var revision = await session.Activity.RunAsync(
            verify && wait ? $"verifying {endpoint}" : $"deploying {endpoint}",
            () => client.Endpoints.DeployAsync(endpoint, request, wait, cancellationToken));
        if (revision.State == "failed")
        {
            throw new CommandException(ExitCodes.Refused, settings.Runtime == RuntimeKind.Python.Name ? "code_invalid" : "model_invalid", $"{endpoint} {revision.Name} was refused: {revision.Failure}");
        }

        return new Deployed(revision, sent, version.SizeBytes);
    }
}

internal sealed record HashedVersion(long? Version, ImmutableArray<(SourceFile File, PackageFileInfo Blob)> Files)
{
    public ImmutableArray<PackageFileInfo> Package => [.. Files.Select(f => f.Blob).OrderBy(b => b.Path, StringComparer.Ordinal)];

    public long SizeBytes => Files.Sum(f => f.Blob.SizeBytes);
}

/// <param name="SentBytes">What the server lacked.</param>
internal sealed record Deployed(RevisionInfo Revision, long SentBytes, long SizeBytes);
