using System.Globalization;
using Dormouse.Cli.Apply;
using Dormouse.Cli.Terminal;
using Dormouse.Core.Endpoints;
using Dormouse.Simulation.Comparing;
using YamlDotNet.RepresentationModel;

namespace Dormouse.Cli.Simulation;

/// <summary>Reads a policy: settings as in <c>dormouse.yaml</c>, and a <c>name</c>. Every mistake is found in one go.</summary>
internal static class PolicyFile
{
    private const string Floors = "floors";

    private static readonly string[] Keys =
    [
        "name", "memory", "cpu", "reserve_cpu", "concurrency", "min_instances", "provisioned", "spare_instances", "target_utilization", "scale_down_delay", "target_concurrency", "target_rps", "stable_window", "panic_window", "panic_threshold", "max_scale_up_rate",
        "max_scale_down_rate", "initial_instances", "activation_instances", "scale_to_zero_grace", "max_instances", "idle_timeout", "frozen_for", "keep_alive", "timeout", "start_timeout", "queue_timeout", "queue_limit",
        "batch_max", "batch_delay",
        Floors,
    ];

    public static Policy Read(string file)
    {
        string text;
        try
        {
            text = File.ReadAllText(file);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw CommandException.BadSource($"{file} cannot be read: {e.Message}");
        }

        var places = new YamlPlaces(file);
        var policy = new Policy(Path.GetFileNameWithoutExtension(file), new RevisionWishes());
        if (YamlPlaces.Load(file, text) is YamlMappingNode root)
        {
            foreach (var (keyNode, value) in root.Children)
            {
                policy = Take(policy, (keyNode as YamlScalarNode)?.Value ?? "", keyNode, (value as YamlScalarNode)?.Value, value, places);
            }
        }
        else
        {
            throw CommandException.BadSource($"{file}:1: A policy is a mapping of settings, such as 'idle_timeout: 30s'.");
        }

        places.ThrowIfAny();
        return policy;
    }

    private static Policy Take(Policy policy, string key, YamlNode keyNode, string? text, YamlNode value, YamlPlaces places)
    {
        var wishes = policy.Wishes;
        if (!Keys.Contains(key))
        {
            places.Add(keyNode, key, "Unknown key." + Suggestions.Question(key, Keys) + $" Allowed are {string.Join(", ", Keys)}.");
            return policy;
        }

        if (key == Floors)
        {
            return policy with { Wishes = wishes with { Floors = new YamlValues(places).List(value, key) } };
        }

        if (text is not { Length: > 0 })
        {
            places.Add(value, key, "A single value is needed here.");
            return policy;
        }

        int? Whole() => int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number : Refuse("A whole number is needed here.");
        double? Number() => double.TryParse(text, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var number) ? number : Refuse("A number is needed here.");
        int? Refuse(string sentence)
        {
            places.Add(value, key, $"{sentence} It is '{text}'.");
            return null;
        }

        return key == "name" ? policy with { Name = text } : policy with
        {
            Wishes = key switch
            {
                "memory" => wishes with { Memory = text },
                "cpu" => wishes with { Cpu = Number() },
                "reserve_cpu" => wishes with { ReserveCpu = Number() },
                "concurrency" when text == SpecRules.AutoConcurrency => wishes with { IsConcurrencyAuto = true },
                "concurrency" when text is SpecRules.UnlimitedConcurrency or "0" => wishes with { IsConcurrencyUnlimited = true },
                "concurrency" => wishes with { Concurrency = Whole() },
                "min_instances" => wishes with { MinInstances = Whole() },
                "provisioned" => wishes with { Provisioned = Whole() },
                "spare_instances" => wishes with { SpareInstances = Whole() },
                "target_utilization" => wishes with { TargetUtilization = Number() },
                "scale_down_delay" => wishes with { ScaleDownDelay = text },
                "target_concurrency" => wishes with { TargetConcurrency = Number() },
                "target_rps" => wishes with { TargetRps = Number() },
                "stable_window" => wishes with { StableWindow = text },
                "panic_window" => wishes with { PanicWindow = text },
                "panic_threshold" => wishes with { PanicThreshold = Number() },
                "max_scale_up_rate" => wishes with { MaxScaleUpRate = Number() },
                "max_scale_down_rate" => wishes with { MaxScaleDownRate = Number() },
                "initial_instances" => wishes with { InitialInstances = Whole() },
                "activation_instances" => wishes with { ActivationInstances = Whole() },
                "scale_to_zero_grace" => wishes with { ScaleToZeroGrace = text },
                "max_instances" => wishes with { MaxInstances = Whole() },
                "frozen_for" => wishes with { FrozenFor = text },
                "idle_timeout" => wishes with { IdleTimeout = text },
                "keep_alive" => wishes with { KeepAlive = text },
                "timeout" => wishes with { Timeout = text },
                "start_timeout" => wishes with { StartTimeout = text },
                "queue_timeout" => wishes with { QueueTimeout = text },
                "batch_max" => wishes with { BatchMax = Whole() },
                "batch_delay" => wishes with { BatchDelay = text },
                _ => wishes with { QueueLimit = Whole() },
            },
        };
    }
}
