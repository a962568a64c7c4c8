using System.Text;
using Dormouse.Core.Environments;
using Dormouse.Core.Packages;

namespace Dormouse.Server.Environments;

/// <summary>From what a function needs, and the files of its package, to the environment that has it.</summary>
internal sealed class EnvironmentPlanner(IBlobStore blobs, IEnvironmentBuilder builder)
{
    /// <summary>Longer requirements files are refused.</summary>
    public const int FileBytesMax = 1 << 20;

    private static readonly UTF8Encoding Strict = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    /// <exception cref="IOException">The package's files cannot be laid out.</exception>
    public async Task<PlanOutcome> PlanAsync(Package package, PythonNeeds needs, CancellationToken cancellationToken)
    {
        var files = package.Files.ToDictionary(f => f.Path, StringComparer.Ordinal);
        var file = needs.File(files.Keys);
        foreach (var read in package.Files.Where(f => f.SizeBytes <= FileBytesMax && (f.Path == file || f.Path.EndsWith(".txt", StringComparison.Ordinal))))
        {
            // They may be only where servers share them.
            await blobs.FetchAsync(read.Hash, cancellationToken);
        }

        switch (RequirementsReader.Read(needs.Pip, file, files.Keys, path => Text(files[path])))
        {
            case RequirementsOutcome.Refused refused:
                return new PlanOutcome.Refused(refused.Errors);

            case RequirementsOutcome.Accepted { Text: var text }:
                var isPlain = text.IsEmpty && needs.SystemPackages != false;
                if (isPlain && needs.Python is null)
                {
                    return new PlanOutcome.Plain();
                }

                return await builder.FindAsync(needs.Python, cancellationToken) switch
                {
                    InterpreterAnswer.Missing missing => new PlanOutcome.Refused([missing.Reason]),
                    InterpreterAnswer.Found when isPlain => new PlanOutcome.Plain(),
                    InterpreterAnswer.Found found => new PlanOutcome.Planned(new EnvironmentPlan(
                        EnvironmentId.Of(found.Version, found.Path, needs.SystemPackages is true, text, path => files[path].Hash),
                        found.Version, needs.SystemPackages is true, text, await blobs.MaterialiseAsync(package, cancellationToken))),
                    _ => throw new InvalidOperationException("An interpreter is found or missing."),
                };

            default:
                throw new InvalidOperationException("Requirements are accepted or refused.");
        }
    }

    private string? Text(PackageFile file)
    {
        if (file.SizeBytes > FileBytesMax || blobs.Materialise(file.Hash) is not { } path)
        {
            return null;
        }

        try
        {
            return Strict.GetString(File.ReadAllBytes(path));
        }
        catch (DecoderFallbackException)
        {
            return null;
        }
    }
}
