using System.Globalization;
using Dormouse.Core.Endpoints;

namespace Dormouse.Core.Pipelines;

/// <summary>Which settings a pipeline has: its definition, and what is not about instances.</summary>
internal static class PipelineRules
{
    /// <summary>Null when there is none, or it is refused.</summary>
    public static PipelineDefinition? Definition(SpecCheck check, string? text, RuntimeKind runtime)
    {
        if (text is null)
        {
            if (!runtime.HasInstances)
            {
                check.Refuse("pipeline", "", "The package holds no definition of a pipeline.");
            }

            return null;
        }

        if (runtime.HasInstances)
        {
            throw new ArgumentException($"A {runtime.Name} revision has no definition of a pipeline.", nameof(text));
        }

        var definition = PipelineReader.Read(text, out var faults);
        foreach (var fault in faults)
        {
            check.Refuse("pipeline", text, fault);
        }

        return definition;
    }

    /// <summary>A setting that would do nothing is refused.</summary>
    public static void OnlyForInstances(SpecCheck check, RevisionWishes wishes, RuntimeKind runtime)
    {
        if (runtime.HasInstances)
        {
            return;
        }

        (string Name, object? Value)[] settings =
        [
            ("handler", wishes.Handler), ("python", wishes.Python), ("pip", wishes.Pip is null ? null : "set"), ("requirements", wishes.Requirements), ("system_packages", wishes.SystemPackages),
            ("isolation", wishes.Isolation), ("network", wishes.Network), ("memory", wishes.Memory), ("cpu", wishes.Cpu), ("reserve_cpu", wishes.ReserveCpu), ("concurrency", wishes.IsConcurrencyAuto ? SpecRules.AutoConcurrency : wishes.IsConcurrencyUnlimited ? SpecRules.UnlimitedConcurrency : null),
            ("batch_max", wishes.BatchMax), ("batch_delay", wishes.BatchDelay), ("min_instances", wishes.MinInstances), ("provisioned", wishes.Provisioned), ("spare_instances", wishes.SpareInstances),
            ("target_utilization", wishes.TargetUtilization), ("scale_down_delay", wishes.ScaleDownDelay), ("target_concurrency", wishes.TargetConcurrency), ("target_rps", wishes.TargetRps), ("stable_window", wishes.StableWindow),
            ("panic_window", wishes.PanicWindow), ("panic_threshold", wishes.PanicThreshold), ("max_scale_up_rate", wishes.MaxScaleUpRate), ("max_scale_down_rate", wishes.MaxScaleDownRate),
            ("initial_instances", wishes.InitialInstances), ("activation_instances", wishes.ActivationInstances), ("scale_to_zero_grace", wishes.ScaleToZeroGrace), ("floors", wishes.Floors is null ? null : "set"),
            ("max_instances", wishes.MaxInstances), ("idle_timeout", wishes.IdleTimeout), ("keep_alive", wishes.KeepAlive), ("start_timeout", wishes.StartTimeout), ("queue_timeout", wishes.QueueTimeout),
            ("queue_limit", wishes.QueueLimit), ("queue_limit_bytes", wishes.QueueLimitBytes), ("environment", wishes.Environment is { IsEmpty: false } ? "set" : null),
            ("secrets", wishes.Secrets is { IsEmpty: false } ? "set" : null), ("secret_files", wishes.SecretFiles is { IsEmpty: false } ? "set" : null), ("engine", wishes.Engine is { IsEmpty: false } ? "set" : null),
            ("overflow", wishes.Overflow is null ? null : "set"), ("signature", wishes.Signature is null ? null : "set"),
        ];
        foreach (var (name, value) in settings.Where(s => s.Value is not null && check.IsFine(s.Name)))
        {
            var text = Convert.ToString(value, CultureInfo.InvariantCulture) ?? "";
            check.Refuse(name, text, $"{name} is '{ShownText.Of(text)}', but a pipeline has no instances; set it for the endpoints of its steps. Allowed here are concurrency, timeout, async_concurrency, async_rate and public.");
        }
    }

    public static RevisionWishes Describe(RevisionSpec spec) => new()
    {
        Runtime = spec.Runtime,
        Pipeline = spec.Pipeline?.Text,
        Concurrency = spec.Concurrency,
        Timeout = Durations.Format(spec.Timeout),
        AsyncConcurrency = spec.AsyncConcurrency,
        AsyncRate = spec.AsyncRate,
    };
}
