using System.Globalization;

namespace Dormouse.Core.Endpoints;

/// <summary>Settings of the load that keeps instances: Knative's, with its bounds.</summary>
internal static class LoadRules
{
    private const double RateMin = 1.1;
    private const double RateMax = 1000;
    private const double PanicMax = 10;
    private const double RpsMin = 0.01;
    private const double RpsMax = 1_000_000;

    private static readonly TimeSpan Second = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan WindowMin = TimeSpan.FromSeconds(6);
    private static readonly TimeSpan Hour = TimeSpan.FromHours(1);

    /// <summary>The spec with what the user set of the load, checked.</summary>
    /// <param name="spec">With its other settings.</param>
    public static RevisionSpec Apply(SpecCheck check, RevisionWishes wishes, RevisionSpec spec)
    {
        var stable = Window(check, "stable_window", wishes.StableWindow, spec.StableWindow, WindowMin, Hour);
        // A tenth, as in Knative, in whole seconds.
        var panicDefault = TimeSpan.FromSeconds(Math.Max(1, Math.Floor(stable.TotalSeconds / 10)));
        var loaded = spec with
        {
            TargetUtilization = wishes.TargetUtilization is { } target ? check.Share("target_utilization", target, SpecRules.TargetMin, 1) : null,
            ScaleDownDelay = check.Duration("scale_down_delay", wishes.ScaleDownDelay, TimeSpan.Zero, TimeSpan.Zero, Hour),
            TargetConcurrency = wishes.TargetConcurrency is { } concurrent ? check.Share("target_concurrency", concurrent, RpsMin, SpecRules.ConcurrencyMax) : null,
            TargetRps = wishes.TargetRps is { } rps ? check.Share("target_rps", rps, RpsMin, RpsMax) : null,
            StableWindow = stable,
            PanicWindow = Window(check, "panic_window", wishes.PanicWindow, panicDefault, Second, stable),
            PanicThreshold = check.Share("panic_threshold", wishes.PanicThreshold ?? spec.PanicThreshold, RateMin, PanicMax),
            MaxScaleUpRate = check.Share("max_scale_up_rate", wishes.MaxScaleUpRate ?? spec.MaxScaleUpRate, RateMin, RateMax),
            MaxScaleDownRate = wishes.MaxScaleDownRate is { } down ? check.Share("max_scale_down_rate", down, RateMin, RateMax) : null,
            InitialInstances = check.Count("initial_instances", wishes.InitialInstances ?? 0, 0, SpecRules.InstancesMax),
            ActivationInstances = check.Count("activation_instances", wishes.ActivationInstances ?? 0, 0, SpecRules.InstancesMax),
            ScaleToZeroGrace = check.Duration("scale_to_zero_grace", wishes.ScaleToZeroGrace, TimeSpan.Zero, TimeSpan.Zero, Hour),
        };
        if (wishes is { TargetRps: not null, TargetConcurrency: { } both } && check.IsFine("target_concurrency"))
        {
            check.Refuse("target_concurrency", Text(both), $"target_concurrency is {Text(both)} and target_rps is set; the load is counted in one of them, so allowed is either.");
        }

        check.AtMostMax("initial_instances", loaded.InitialInstances, spec.MaxInstances);
        check.AtMostMax("activation_instances", loaded.ActivationInstances, spec.MaxInstances);
        if (!loaded.HasLoadTarget && Unused(wishes) is var (setting, value))
        {
            check.Refuse(setting, value, $"{setting} is {ShownText.Of(value)}, but the load asks for no instances; set target_utilization, target_concurrency, target_rps, scale_down_delay or activation_instances with it, or leave it out.");
        }

        return loaded;
    }

    /// <summary>What the user set that means nothing without a target; null = nothing.</summary>
    private static (string Setting, string Value)? Unused(RevisionWishes wishes) => wishes switch
    {
        { StableWindow: { } window } => ("stable_window", window),
        { PanicWindow: { } window } => ("panic_window", window),
        { PanicThreshold: { } threshold } => ("panic_threshold", Text(threshold)),
        { MaxScaleUpRate: { } rate } => ("max_scale_up_rate", Text(rate)),
        { MaxScaleDownRate: { } rate } => ("max_scale_down_rate", Text(rate)),
        _ => null,
    };

    /// <summary>Windows count whole seconds.</summary>
    private static TimeSpan Window(SpecCheck check, string setting, string? text, TimeSpan byDefault, TimeSpan min, TimeSpan max)
    {
        var window = check.Duration(setting, text, byDefault, min, max);
        if (window.Ticks % TimeSpan.TicksPerSecond == 0)
        {
            return window;
        }

        check.Refuse(setting, text ?? "", $"{setting} is {ShownText.Of(text ?? "")}; allowed are whole seconds.");
        return byDefault;
    }

    private static string Text(double value) => value.ToString(CultureInfo.InvariantCulture);
}
