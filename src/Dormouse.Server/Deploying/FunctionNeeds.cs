using System.Collections.Immutable;
using System.Text.Json;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Environments;
using Dormouse.Core.Packages;
using Dormouse.Protocol.Control;
using Dormouse.Protocol.Launching;
using Dormouse.Protocol.Problems;
using Dormouse.Server.Control;
using Dormouse.Server.Environments;
using Dormouse.Server.Errors;

namespace Dormouse.Server.Deploying;

/// <summary>Functions of a package that need the same environment.</summary>
/// <param name="Names">Functions, and classes whose methods are; null = all that no other group has.</param>
/// <param name="Plan">Null = the interpreter itself.</param>
internal sealed record FunctionGroup(ImmutableHashSet<string>? Names, PythonNeeds Needs, EnvironmentPlan? Plan)
{
    public bool Has(string function) => Names is null || Names.Contains(function) || Names.Contains(function.Split('.')[0]);
}

/// <summary>A package of Python code and what its functions need.</summary>
/// <param name="Spec">How it is imported.</param>
internal sealed record PackageNeeds(Package Package, RevisionSpec Spec, ImmutableArray<FunctionGroup> Groups);

/// <summary>
/// Finds out which environments the functions of a package need before anything of it is imported, because that takes the environment. Whoever deploys may say it; else it stands in decorators, which are
/// read from the text in a throw-away worker. That is spared when no file of the package can say such a thing.
/// </summary>
internal sealed class FunctionNeeds(PackageCheck packages, ModelInspections inspections, EnvironmentPlanner planner, IBlobStore blobs, MachineFacts machine)
{
    /// <summary>Environments of one package.</summary>
    public const int GroupsMax = 8;

    /// <summary>A file of this size is looked at whatever it holds.</summary>
    private const int LookedAtBytesMax = 1 << 20;

    private static readonly TimeSpan Retry = TimeSpan.FromSeconds(10);
    private static readonly ImmutableArray<string> Words = ["pip", "requirements", "python", "system_packages", "secrets", "secret_files", IsolationLevels.Outbound];

    /// <summary>Reads and judges the request; null after it was refused.</summary>
    public async Task<PackageNeeds?> ReadAsync(ControlCall call)
    {
        if (await JsonBody.ReadAsync(call.Http, ControlJson.Default.FunctionsRequest) is not { } request)
        {
            return null;
        }

        if (PackageCheck.Incomplete(request.Files) is { } incomplete)
        {
            await Problems.WriteAsync(call.Http, ProblemCode.RequestInvalid, incomplete);
            return null;
        }

        var (package, refusal) = await packages.CheckAsync(call.Tenant, request.Files, call.Cancellation);
        if (package is null)
        {
            await Problems.WriteAsync(call.Http, refusal!.Code, refusal.Detail); // Not null: one of the two is.
            return null;
        }

        var wishes = new RevisionWishes
        {
            Runtime = RuntimeKind.Python.Name,
            Handler = request.Handler,
            Environment = request.Environment,
            Secrets = request.Secrets,
            SecretFiles = request.SecretFiles,
            Isolation = request.Isolation,
            Network = request.Network,
            Python = request.Python,
            Pip = request.Pip,
            Requirements = request.Requirements,
            SystemPackages = request.SystemPackages,
        };
        switch (SpecRules.Apply(wishes, machine))
        {
            case SpecOutcome.Refused refused:
                await Problems.WriteAsync(call.Http, ProblemCode.SpecInvalid, string.Join(' ', refused.Errors.Select(e => e.Message)));
                return null;

            case SpecOutcome.Accepted accepted when PythonFiles.Refusal(package, accepted.Spec.Handler) is { } missing:
                await Problems.WriteAsync(call.Http, ProblemCode.PackageInvalid, missing);
                return null;

            case SpecOutcome.Accepted accepted:
                return await GroupsAsync(call, package, accepted.Spec);

            default:
                throw new InvalidOperationException("A spec is accepted or refused.");
        }
    }

    private async Task<PackageNeeds?> GroupsAsync(ControlCall call, Package package, RevisionSpec spec)
    {
        var said = PythonNeeds.Of(spec);
        ImmutableArray<(ImmutableHashSet<string>? Names, PythonNeeds Needs)> groups = [(null, said)];
        if (await MaySayAsync(package, call.Cancellation))
        {
            switch (await inspections.ScanAsync(package, spec, call.Cancellation))
            {
                case Inspection.Listed listed:
                    var scanned = Scanned(listed, spec);
                    groups = Grouped(scanned, said);
                    spec = WithNetwork(WithSecrets(spec, scanned), scanned);
                    break;

                case Inspection.Refused refused:
                    await Problems.WriteAsync(call.Http, ProblemCode.CodeInvalid, refused.Reason);
                    return null;

                case Inspection.Unavailable unavailable:
                    await Problems.WriteAsync(call.Http, ProblemCode.StartFailed, $"The code could not be read: {unavailable.Reason}", Retry);
                    return null;
            }
        }

        if (groups.Length > GroupsMax)
        {
            await Problems.WriteAsync(call.Http, ProblemCode.SpecInvalid, $"The functions of the package need {groups.Length} different environments; at most {GroupsMax} are allowed. Give them common ones, or deploy them one by one.");
            return null;
        }

        var planned = ImmutableArray.CreateBuilder<FunctionGroup>();
        foreach (var (names, needs) in groups)
        {
            switch (await planner.PlanAsync(package, needs, call.Cancellation))
            {
                case PlanOutcome.Refused refused:
                    await Problems.WriteAsync(call.Http, ProblemCode.SpecInvalid, string.Join(' ', refused.Errors));
                    return null;

                case PlanOutcome.Planned { Plan: var plan }:
                    planned.Add(new FunctionGroup(names, needs, plan));
                    break;

                default:
                    planned.Add(new FunctionGroup(names, needs, null));
                    break;
            }
        }

        return new PackageNeeds(package, spec, planned.ToImmutable());
    }

    /// <summary>Functions by what they need; where all need the same, or one was chosen, there is one group of all.</summary>
    private static ImmutableArray<(ImmutableHashSet<string>? Names, PythonNeeds Needs)> Grouped(ImmutableArray<ScannedFunction> functions, PythonNeeds said)
    {
        var groups = functions.GroupBy(f => said.Over(Read(f.Settings))).ToArray();
        return groups.Length switch
        {
            0 => [(null, said)],
            1 => [(null, groups[0].Key)],
            _ => [.. groups.Select(g => ((ImmutableHashSet<string>?)[.. g.Select(f => f.Name)], g.Key))],
        };
    }

    /// <summary>The functions that are to be deployed.</summary>
    private static ImmutableArray<ScannedFunction> Scanned(Inspection.Listed listed, RevisionSpec spec)
    {
        // Not null: the driver has just written it.
        var scanned = JsonSerializer.Deserialize(listed.Contents, WorkerJson.Default.PythonScanned)!;
        var wanted = PythonHandler.TryParse(spec.Handler, out var handler) ? handler.Function?.Split('.')[0] : null;
        return scanned.Functions.IsDefault ? [] : [.. scanned.Functions.Where(f => wanted is null || f.Name == wanted)];
    }

    /// <summary>The file is imported with all secrets that its functions name; what whoever deploys said counts over that.</summary>
    private static RevisionSpec WithSecrets(RevisionSpec spec, ImmutableArray<ScannedFunction> functions) => spec with
    {
        Secrets = Named(functions, "secrets").SetItems(spec.Secrets),
        SecretFiles = Named(functions, "secret_files").SetItems(spec.SecretFiles),
    };

    /// <summary>The file is imported with a network when one of its functions has one, and is isolated as that is; what whoever deploys said counts over that.</summary>
    private static RevisionSpec WithNetwork(RevisionSpec spec, ImmutableArray<ScannedFunction> functions) =>
        spec.Network is null && functions.FirstOrDefault(f => Text(f.Settings, "network") == IsolationLevels.Outbound) is { } caller
            ? spec with { Network = NetworkAccess.Outbound, Isolation = spec.Isolation ?? (Text(caller.Settings, "isolation") is { } level ? IsolationLevels.Find(level) : null) }
            : spec;

    private static string? Text(JsonElement settings, string name) => settings.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;

    private static ImmutableSortedDictionary<string, string> Named(ImmutableArray<ScannedFunction> functions, string setting)
    {
        var named = ImmutableSortedDictionary.CreateBuilder<string, string>(StringComparer.Ordinal);
        foreach (var settings in functions.Select(f => f.Settings))
        {
            if (settings.TryGetProperty(setting, out var entries) && entries.ValueKind == JsonValueKind.Object)
            {
                foreach (var entry in entries.EnumerateObject().Where(e => e.Value.ValueKind == JsonValueKind.String))
                {
                    named[entry.Name] = entry.Value.GetString() ?? "";
                }
            }
        }

        return named.ToImmutable();
    }

    private static PythonNeeds Read(JsonElement settings)
    {
        var system = settings.TryGetProperty("system_packages", out var seen) && seen.ValueKind is JsonValueKind.True or JsonValueKind.False ? seen.GetBoolean() : (bool?)null;
        ImmutableArray<string> pip = settings.TryGetProperty("pip", out var list) && list.ValueKind == JsonValueKind.Array ? [.. list.EnumerateArray().Select(e => e.GetString() ?? "")] : [];
        return new PythonNeeds(Text(settings, "python"), pip, Text(settings, "requirements"), system);
    }

    /// <summary>A file of the package holds one of the words that could name an environment.</summary>
    private async Task<bool> MaySayAsync(Package package, CancellationToken cancellationToken)
    {
        foreach (var file in package.Files.Where(f => f.Path.EndsWith(".py", StringComparison.Ordinal) || f.Path.EndsWith("cog.yaml", StringComparison.Ordinal)))
        {
            if (file.SizeBytes > LookedAtBytesMax || (await blobs.FetchAsync(file.Hash, cancellationToken) is { } path && await File.ReadAllTextAsync(path, cancellationToken) is var text && Words.Any(w => text.Contains(w, StringComparison.Ordinal))))
            {
                return true;
            }
        }

        return false;
    }
}
