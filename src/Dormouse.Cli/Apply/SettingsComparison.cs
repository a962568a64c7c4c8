using System.Collections.Immutable;
using Dormouse.Cli.Endpoints;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Overflow;
using Dormouse.Core.Pipelines;
using Dormouse.Protocol.Control;
using Dormouse.Protocol.Signatures;
using Dormouse.Server.Control;

namespace Dormouse.Cli.Apply;

/// <summary>
/// Does a revision have the settings that a file asks for? What the file leaves out means the default; those defaults that depend on the server's
/// machine (<c>cpu</c>, <c>concurrency</c>, <c>max_instances</c>) cannot be known here and are compared only when they are written.
/// </summary>
internal static class SettingsComparison
{
    private static readonly string[] Sized = ["memory", "queue_limit_bytes"];
    private static readonly string[] Timed = ["scale_down_delay", "idle_timeout", "frozen_for", "timeout", "start_timeout", "queue_timeout", "batch_delay", "stable_window", "panic_window", "scale_to_zero_grace"];

    private static readonly string[] LoadKeys = ["stable_window", "panic_window", "panic_threshold", "max_scale_up_rate"];

    private static readonly string[] Maps = ["env.", "secret.", "secret_file.", "engine.", "overflow."];

    private static readonly ImmutableDictionary<string, string> Defaults = MakeDefaults();

    private static readonly ImmutableDictionary<string, string> PipelineDefaults =
        Defaults.Where(d => d.Key == "timeout").ToImmutableDictionary(StringComparer.Ordinal).Add("concurrency", $"{PipelineLimits.ConcurrencyByDefault}");

    /// <param name="wantedSignature">Canonical signature that the revision would have: the file's, else the package's own.</param>
    /// <returns>One line a difference: <c>memory: 512MiB → 1GiB</c>.</returns>
    public static ImmutableArray<string> Differences(RevisionSettings wanted, string? wantedSignature, RevisionSettings actual)
    {
        var goal = Canonical(wanted with { Signature = null });
        // What the file leaves out of a function is its decorator's to say, which only the server can read.
        var isFunction = wanted.Runtime == RuntimeKind.Python.Name;
        var isPipeline = wanted.Runtime == RuntimeKind.Pipeline.Name;
        foreach (var (key, value) in isFunction ? [] : isPipeline ? PipelineDefaults : Defaults)
        {
            goal.TryAdd(key, value);
        }

        if (wanted.Overflow is not null)
        {
            goal.TryAdd("overflow.max", OverflowRules.MaxByDefault.ToString(System.Globalization.CultureInfo.InvariantCulture));
        }

        if (wanted.Network == IsolationLevels.None)
        {
            goal.TryAdd("isolation", IsolationLevels.Sandbox);
        }

        if (Load(wanted) is { } load)
        {
            foreach (var (key, value) in load)
            {
                goal.TryAdd(key, value);
            }
        }

        if (!isFunction && !isPipeline)
        {
            goal.TryAdd("keep_alive", wanted.IdleTimeout is null ? SpecRules.LearnedKeepAlive : SpecRules.FixedKeepAlive);
        }

        var present = Canonical(actual with { Signature = null });
        if (IsFoundIn(wanted.Handler, actual.Handler))
        {
            goal.Remove("handler");
        }

        var lines = ImmutableArray.CreateBuilder<string>();
        foreach (var key in goal.Keys.Union(present.Keys.Where(k => !isFunction && IsMap(k))).Order(StringComparer.Ordinal))
        {
            var (from, to) = (present.GetValueOrDefault(key), goal.GetValueOrDefault(key));
            if (from != to)
            {
                lines.Add($"{key}: {from ?? "not set"} → {to ?? "not set"}");
            }
        }

        if (Normal(wantedSignature) != Normal(actual.Signature))
        {
            lines.Add("signature: " + (actual.Signature is null ? "added" : wantedSignature is null ? "removed" : "changed"));
        }

        return lines.ToImmutable();
    }

    /// <summary>A file alone means its one function, which was found when it was deployed.</summary>
    private static bool IsFoundIn(string? file, string? function) =>
        file is not null && function is not null && PythonHandler.TryParse(file, out var wanted) && wanted.Function is null && PythonHandler.TryParse(function, out var actual) && actual.Module == wanted.Module;

    /// <summary>Defaults of settings that are there only with a target; null = there is none, or the file's settings are not allowed.</summary>
    private static IEnumerable<KeyValuePair<string, string>>? Load(RevisionSettings wanted) =>
        SpecRules.Apply(
            new RevisionWishes
            {
                TargetUtilization = wanted.TargetUtilization,
                TargetConcurrency = wanted.TargetConcurrency,
                IsConcurrencyUnlimited = wanted.Concurrency is { IsUnlimited: true },
                TargetRps = wanted.TargetRps,
                ScaleDownDelay = wanted.ScaleDownDelay,
                ActivationInstances = wanted.ActivationInstances,
                StableWindow = wanted.StableWindow,
            },
            new MachineFacts(1, int.MaxValue)) is SpecOutcome.Accepted { Spec: { HasLoadTarget: true } spec }
            ? SettingsText.Of(SettingsViews.Settings(spec, isPublic: null)).Where(p => LoadKeys.Contains(p.Key))
            : null;

    private static Dictionary<string, string> Canonical(RevisionSettings settings) =>
        SettingsText.Of(settings).ToDictionary(p => p.Key, p => Canonical(p.Key, p.Value), StringComparer.Ordinal);

    /// <summary>The same amount reads the same: 1024MiB is 1GiB. What cannot be read stays, the server says what is wrong with it.</summary>
    private static string Canonical(string key, string value)
    {
        if (Sized.Contains(key) && Sizes.TryParse(value, out var bytes))
        {
            return Sizes.Format(bytes);
        }

        return Timed.Contains(key) && Durations.TryParse(value, out var time) ? Durations.Format(time) : value;
    }

    private static string? Normal(string? signature) =>
        signature is not null && SignatureRules.Parse(signature, out _) is { } read ? SignatureRules.ToJson(read) : signature;

    /// <summary>What is removed by not writing it.</summary>
    private static bool IsMap(string key) =>
        key is "isolation" or "network" or "floors" or "async_concurrency" or "async_rate" or "target_utilization" or "target_concurrency" or "target_rps" or "max_scale_down_rate" || Maps.Any(m => key.StartsWith(m, StringComparison.Ordinal));

    private static ImmutableDictionary<string, string> MakeDefaults()
    {
        var spec = new RevisionSpec { Runtime = RuntimeKind.Onnx.Name };
        return new Dictionary<string, string>
        {
            ["runtime"] = spec.Runtime,
            ["memory"] = Sizes.Format(spec.MemoryMib * Sizes.BytesPerMib),
            ["reserve_cpu"] = "0",
            ["min_instances"] = "0",
            ["provisioned"] = "0",
            ["spare_instances"] = "0",
            ["batch_max"] = "1",
            ["batch_delay"] = Durations.Format(spec.BatchDelay),
            ["scale_down_delay"] = Durations.Format(spec.ScaleDownDelay),
            ["initial_instances"] = "0",
            ["activation_instances"] = "0",
            ["scale_to_zero_grace"] = Durations.Format(spec.ScaleToZeroGrace),
            ["frozen_for"] = Durations.Format(spec.FrozenFor),
            ["idle_timeout"] = Durations.Format(spec.IdleTimeout),
            ["timeout"] = Durations.Format(spec.Timeout),
            ["start_timeout"] = Durations.Format(spec.StartTimeout),
            ["queue_timeout"] = Durations.Format(spec.QueueTimeout),
            ["queue_limit"] = spec.QueueLimit.ToString(System.Globalization.CultureInfo.InvariantCulture),
            ["queue_limit_bytes"] = Sizes.Format(spec.QueueLimitBytes),
        }.ToImmutableDictionary(StringComparer.Ordinal);
    }
}
