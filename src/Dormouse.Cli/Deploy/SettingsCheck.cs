using System.Collections.Immutable;
using Dormouse.Core.Endpoints;
using Dormouse.Protocol.Control;
using Dormouse.Protocol.Signatures;
using Dormouse.Server.Control;
using Dormouse.Server.Floors;

namespace Dormouse.Cli.Deploy;

/// <summary>What is wrong with settings whatever the server's machine is: seen before anything is sent. The machine's own bounds are the server's to check.</summary>
internal static class SettingsCheck
{
    /// <summary>Larger than any machine, so that only the rules speak.</summary>
    private static readonly MachineFacts AnyMachine = new(1 << 20, int.MaxValue);

    /// <summary>One fault a setting, by its key in <c>dormouse.yaml</c>; none when all is well.</summary>
    public static ImmutableArray<(string Key, string Sentence)> Faults(RevisionSettings settings)
    {
        var faults = ImmutableArray.CreateBuilder<(string, string)>();
        var errors = SpecRules.Apply(SettingsViews.Wishes(settings with { Runtime = Runtime(settings) }, signatureJson: null), AnyMachine) switch
        {
            SpecOutcome.Refused refused => refused.Errors,
            SpecOutcome.Accepted accepted => FloorSchedule.Faults(accepted.Spec),
            _ => [],
        };
        // What a pipeline's file holds is judged where it is read.
        faults.AddRange(errors.Where(e => e.Setting != "pipeline").Select(e => (Key(e.Setting), Sentence(e))));

        if (settings.Signature is { } signature && SignatureRules.Parse(signature, out var signatureErrors) is null)
        {
            faults.AddRange(signatureErrors.Select(e => ("signature", e)));
        }

        return faults.ToImmutable();
    }

    /// <summary>Whether the source is code is seen later; who asks for packages takes it to be.</summary>
    private static string? Runtime(RevisionSettings settings) =>
        settings.Runtime ?? (settings is { Handler: null, Pip: null, Requirements: null, Python: null, SystemPackages: null, Secrets: null, SecretFiles: null } ? null : RuntimeKind.Python.Name);

    private static string Key(string setting) => setting == "environment" ? "env" : setting.StartsWith("overflow.", StringComparison.Ordinal) ? "overflow" : setting;

    /// <summary>The two bounds that are a machine's, without a number that no machine has.</summary>
    private static string Sentence(SpecError error) => error.Setting switch
    {
        "cpu" => $"cpu is {error.Value}; a number from {SpecRules.CpuMin.ToString(System.Globalization.CultureInfo.InvariantCulture)} to the machine's cores is needed.",
        "memory" when Sizes.TryParse(error.Value, out _) => $"memory is {error.Value}; at least {SpecRules.MemoryMibMin}MiB and at most what the machine has is needed.",
        _ => error.Message,
    };
}
