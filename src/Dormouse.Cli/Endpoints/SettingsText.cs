using System.Collections.Immutable;
using System.Globalization;
using Dormouse.Core.Endpoints;
using Dormouse.Protocol.Control;

namespace Dormouse.Cli.Endpoints;

/// <summary>Settings of a revision as pairs, by the names they have in <c>dormouse.yaml</c>.</summary>
internal static class SettingsText
{
    /// <summary>Those that are set; the signature as it is, environment and engine one entry each (<c>env.NAME</c>, <c>secret.VARIABLE</c>, <c>secret_file.NAME</c>, <c>engine.key</c>).</summary>
    public static IEnumerable<KeyValuePair<string, string>> Of(RevisionSettings settings)
    {
        var pairs = new (string Key, string? Value)[]
        {
            ("runtime", settings.Runtime),
            ("handler", settings.Handler),
            ("python", settings.Python),
            ("pip", settings.Pip is { IsDefaultOrEmpty: false } pip ? string.Join("; ", pip) : null),
            ("requirements", settings.Requirements),
            ("system_packages", settings.SystemPackages is { } system ? system ? "true" : "false" : null),
            ("isolation", settings.Isolation),
            ("network", settings.Network),
            ("memory", settings.Memory),
            ("cpu", settings.Cpu?.ToString(CultureInfo.InvariantCulture)),
            ("reserve_cpu", settings.ReserveCpu?.ToString(CultureInfo.InvariantCulture)),
            ("concurrency", settings.Concurrency?.ToString()),
            ("batch_max", Text(settings.BatchMax)),
            ("batch_delay", settings.BatchDelay),
            ("min_instances", Text(settings.MinInstances)),
            ("provisioned", Text(settings.Provisioned)),
            ("spare_instances", Text(settings.SpareInstances)),
            ("target_utilization", settings.TargetUtilization?.ToString(CultureInfo.InvariantCulture)),
            ("scale_down_delay", settings.ScaleDownDelay),
            ("target_concurrency", settings.TargetConcurrency?.ToString(CultureInfo.InvariantCulture)),
            ("target_rps", settings.TargetRps?.ToString(CultureInfo.InvariantCulture)),
            ("stable_window", settings.StableWindow),
            ("panic_window", settings.PanicWindow),
            ("panic_threshold", settings.PanicThreshold?.ToString(CultureInfo.InvariantCulture)),
            ("max_scale_up_rate", settings.MaxScaleUpRate?.ToString(CultureInfo.InvariantCulture)),
            ("max_scale_down_rate", settings.MaxScaleDownRate?.ToString(CultureInfo.InvariantCulture)),
            ("initial_instances", Text(settings.InitialInstances)),
            ("activation_instances", Text(settings.ActivationInstances)),
            ("scale_to_zero_grace", settings.ScaleToZeroGrace),
            ("floors", Floors(settings.Floors)),
            ("max_instances", Text(settings.MaxInstances)),
            ("idle_timeout", settings.IdleTimeout),
            ("frozen_for", settings.FrozenFor),
            ("keep_alive", settings.KeepAlive),
            ("timeout", settings.Timeout),
            ("start_timeout", settings.StartTimeout),
            ("queue_timeout", settings.QueueTimeout),
            ("queue_limit", Text(settings.QueueLimit)),
            ("queue_limit_bytes", settings.QueueLimitBytes),
            ("async_concurrency", settings.AsyncConcurrency?.ToString(CultureInfo.InvariantCulture)),
            ("async_rate", settings.AsyncRate?.ToString(CultureInfo.InvariantCulture)),
            ("overflow.url", settings.Overflow?.Url),
            ("overflow.max", Text(settings.Overflow?.Max)),
            ("overflow.key_file", settings.Overflow?.KeyFile),
            ("overflow.key_env", settings.Overflow?.KeyEnv),
            ("signature", settings.Signature),
        };
        foreach (var (key, value) in pairs)
        {
            if (value is not null)
            {
                yield return KeyValuePair.Create(key, value);
            }
        }

        foreach (var (name, value) in settings.Environment ?? ImmutableSortedDictionary<string, string>.Empty)
        {
            yield return KeyValuePair.Create("env." + name, value);
        }

        foreach (var (name, value) in settings.Secrets ?? ImmutableSortedDictionary<string, string>.Empty)
        {
            yield return KeyValuePair.Create("secret." + name, value);
        }

        foreach (var (name, value) in settings.SecretFiles ?? ImmutableSortedDictionary<string, string>.Empty)
        {
            yield return KeyValuePair.Create("secret_file." + name, value);
        }

        foreach (var (name, value) in settings.Engine ?? ImmutableSortedDictionary<string, string>.Empty)
        {
            yield return KeyValuePair.Create("engine." + name, value);
        }
    }

    /// <summary>Written one way, so that equal ones compare as equal.</summary>
    private static string? Floors(ImmutableArray<string>? floors) =>
        floors is { IsDefaultOrEmpty: false } all ? string.Join("; ", all.Select(f => ScheduledFloor.TryParse(f, out var floor) ? floor.ToString() : f)) : null;

    private static string? Text(int? value) => value?.ToString(CultureInfo.InvariantCulture);
}
