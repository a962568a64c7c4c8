using System.Collections.Immutable;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Packages;
using Dormouse.Protocol.Control;
using Dormouse.Protocol.Problems;

namespace Dormouse.Server.Deploying;

/// <summary>Are the files of a request a package, and did this tenant upload them?</summary>
internal sealed class PackageCheck(IBlobStore blobs)
{
    /// <summary>Most missing files named in one answer.</summary>
    private const int NamedMax = 5;

    /// <summary>What JSON allows and the types do not; null when all is there.</summary>
    public static string? Incomplete(ImmutableArray<PackageFileInfo> files) =>
        files.IsDefault || files.Any(f => f is null || f.Path is null || f.Sha256 is null) ? "'files' must be a list of objects with 'path', 'sha256' and 'size_bytes'." : null;

    /// <summary>Exactly one of the two.</summary>
    public async Task<(Package? Package, DeployVerdict.Refused? Refusal)> CheckAsync(TenantId tenant, ImmutableArray<PackageFileInfo> infos, CancellationToken cancellationToken)
    {
        var files = infos.Select(f => new PackageFile(f.Path, new BlobHash(f.Sha256), f.SizeBytes)).ToList();
        return PackageRules.Check(files) switch
        {
            PackageOutcome.Refused refused => (null, new DeployVerdict.Refused(ProblemCode.PackageInvalid, string.Join(' ', refused.Errors))),
            PackageOutcome.Accepted { Package: var package } => await UploadsAsync(tenant, package, cancellationToken) is { } refusal ? (null, refusal) : (package, null),
            _ => throw new InvalidOperationException("A package is accepted or refused."),
        };
    }

    private async Task<DeployVerdict.Refused?> UploadsAsync(TenantId tenant, Package package, CancellationToken cancellationToken)
    {
        var missing = new List<string>();
        foreach (var file in package.Files)
        {
            var status = await blobs.StatusAsync(tenant, file.Hash, cancellationToken);
            if (!status.IsComplete)
            {
                missing.Add($"{file.Path} ({file.Hash})");
            }
            else if (status.SizeBytes != file.SizeBytes)
            {
                return new DeployVerdict.Refused(
                    ProblemCode.PackageInvalid, $"'{file.Path}' is said to have {file.SizeBytes} bytes; the uploaded file has {status.SizeBytes}.");
            }
        }

        if (missing.Count == 0)
        {
            return null;
        }

        var more = missing.Count > NamedMax ? $" and {missing.Count - NamedMax} more" : "";
        return new DeployVerdict.Refused(
            ProblemCode.BlobNotFound, $"Not uploaded yet: {string.Join(", ", missing.Take(NamedMax))}{more}. Send them to /api/v1/blobs first.");
    }
}
