using System.CommandLine;

namespace Dormouse.Cli.Deploy;

/// <summary>Options of <c>deploy</c> that say how the load keeps instances, beside <c>--target</c> and <c>--scale-down-delay</c>: Knative's words where it has some.</summary>
internal sealed class LoadOptions
{
    public Option<double?> TargetConcurrency { get; } = new("--target-concurrency") { HelpName = "calls", Description = "Calls that an instance shall have at once on average, 0.01 to 1000. Default with --concurrency unlimited: 70, else --target of its concurrency." };

    public Option<double?> TargetRps { get; } = new("--target-rps") { HelpName = "calls", Description = "Calls a second that an instance shall have on average; the load is then counted in these." };

    public Option<string?> StableWindow { get; } = new("--stable-window") { HelpName = "time", Description = "Time over which the load is averaged, 6s to 1h. Default: 60s." };

    public Option<string?> PanicWindow { get; } = new("--panic-window") { HelpName = "time", Description = "Time over which a burst is noticed. Default: a tenth of the stable window." };

    public Option<double?> PanicThreshold { get; } = new("--panic-threshold") { HelpName = "ratio", Description = "It is a burst when this many times the ready instances are asked for, 1.1 to 10. Default: 2." };

    public Option<double?> MaxScaleUpRate { get; } = new("--max-scale-up-rate") { HelpName = "ratio", Description = "The load asks for at most this many times the ready instances at once. Default: 1000." };

    public Option<double?> MaxScaleDownRate { get; } = new("--max-scale-down-rate") { HelpName = "ratio", Description = "What the load asks for falls to at least one part of this many within 2 s. Default: no bound." };

    public Option<int?> InitialInstances { get; } = new("--initial-instances") { HelpName = "number", Description = "Instances that a new revision starts with its first traffic, before any call. Default: 0." };

    public Option<int?> ActivationInstances { get; } = new("--activation-instances") { HelpName = "number", Description = "Instances that a call at zero starts, and that stay while there is load. Default: 1." };

    public Option<string?> ScaleToZeroGrace { get; } = new("--scale-to-zero-grace") { HelpName = "time", Description = "How long the last instance stays once nothing else keeps it. Default: 0s." };

    public void AddTo(Command command)
    {
        Option[] options = [TargetConcurrency, TargetRps, StableWindow, PanicWindow, PanicThreshold, MaxScaleUpRate, MaxScaleDownRate, InitialInstances, ActivationInstances, ScaleToZeroGrace];
        foreach (var option in options)
        {
            command.Add(option);
        }
    }
}
