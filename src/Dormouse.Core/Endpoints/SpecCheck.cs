using System.Collections.Immutable;
using System.Globalization;

namespace Dormouse.Core.Endpoints;

/// <summary>Checks single settings and collects what is wrong. After an error it goes on with a value inside the bounds, so that one mistake makes one message.</summary>
internal sealed class SpecCheck
{
    public List<SpecError> Errors { get; } = [];

    public bool IsFine(string setting) => Errors.TrueForAll(e => e.Setting != setting);

    public void Refuse(string setting, string value, string message) => Errors.Add(new SpecError(setting, value, message));

    public string OneOf(string setting, string value, params ReadOnlySpan<string> allowed)
    {
        if (allowed.Contains(value))
        {
            return value;
        }

        Refuse(setting, value, $"{setting} is '{Shown(value)}'; allowed {(allowed.Length == 1 ? "is" : "are")} '{string.Join("', '", allowed)}'.");
        return allowed[0];
    }

    public RuntimeKind Runtime(string setting, string value) =>
        RuntimeKind.Find(OneOf(setting, value, [.. RuntimeKind.All.Select(k => k.Name)])) ?? RuntimeKind.Onnx;

    /// <summary>The handler in its own spelling; null = none.</summary>
    public string? Handler(string setting, string? value, RuntimeKind runtime)
    {
        if (value is null)
        {
            return null;
        }

        if (runtime.RunsModels)
        {
            Refuse(setting, value, $"{setting} is '{Shown(value)}', but the runtime is {runtime.Name}, whose packages hold a model and no function; set runtime to {RuntimeKind.Python.Name}, or leave {setting} out.");
        }
        else if (!PythonHandler.TryParse(value, out _))
        {
            Refuse(setting, value, $"{setting} is '{Shown(value)}'; allowed is {PythonHandler.Form}.");
        }

        return value;
    }

    /// <summary>Isolation and network, which go together: a sandbox has a network or none, as is said of it, and a process has the machine's in any case.</summary>
    public (IsolationLevel? Isolation, NetworkAccess? Network) Isolation(RevisionWishes wishes)
    {
        var isolation = wishes.Isolation is { } level ? IsolationLevels.Find(OneOf("isolation", level, IsolationLevels.Process, IsolationLevels.Sandbox, IsolationLevels.Container)) : null;
        if (wishes.Network is not { } network || !IsFine("isolation"))
        {
            return (isolation, null);
        }

        if (OneOf("network", network, IsolationLevels.None, IsolationLevels.Outbound) == IsolationLevels.Outbound)
        {
            return (isolation, NetworkAccess.Outbound);
        }

        if (isolation == IsolationLevel.Process && IsFine("network"))
        {
            Refuse("network", network, "network is 'none', but a process has the machine's network; set isolation to 'sandbox' or 'container' with it, or leave network out.");
        }

        // Who wants no network wants the sandbox, and is not to get less where there is none.
        return (isolation == IsolationLevel.Container ? isolation : IsolationLevel.Sandbox, NetworkAccess.None);
    }

    /// <summary>Settings that mean something for models only.</summary>
    public void OnlyForModels(RevisionWishes wishes, RuntimeKind runtime)
    {
        if (runtime.RunsModels)
        {
            return;
        }

        if (wishes.BatchMax > 1 && IsFine("batch_max"))
        {
            Refuse("batch_max", Text(wishes.BatchMax.Value), $"batch_max is {Text(wishes.BatchMax.Value)}, but the runtime is {runtime.Name}; only runs of models are shared. Leave it out.");
        }

        if (wishes.Engine is { IsEmpty: false } engine)
        {
            Refuse("engine", engine.Keys.First(), $"engine has '{Shown(engine.Keys.First())}', but the runtime is {runtime.Name}; only models have an engine. Leave it out.");
        }

        if (wishes.Signature is not null)
        {
            Refuse("signature", "", $"signature is set, but the runtime is {runtime.Name}; only models have one. Leave it out.");
        }
    }

    public int Count(string setting, int value, int min, int max)
    {
        if (value < min || value > max)
        {
            Refuse(setting, Text(value), $"{setting} is {Text(value)}; allowed are {Text(min)} to {Text(max)}.");
        }

        return Math.Clamp(value, min, max);
    }

    /// <summary>Refuses a number of instances that is above max_instances, unless one of the two was refused before.</summary>
    public void AtMostMax(string setting, int value, int max)
    {
        if (value > max && IsFine(setting) && IsFine("max_instances"))
        {
            Refuse(setting, Text(value), $"{setting} is {Text(value)}; allowed are 0 to max_instances, which is {Text(max)}.");
        }
    }

    /// <summary>Form, duration and number of each; what its schedule means is checked outside Core.</summary>
    public ImmutableArray<ScheduledFloor> Floors(string setting, ImmutableArray<string>? texts)
    {
        var floors = ImmutableArray.CreateBuilder<ScheduledFloor>();
        if (texts is not { IsDefault: false } all)
        {
            return [];
        }

        if (all.Length > SpecRules.FloorsMax)
        {
            Refuse(setting, Text(all.Length), $"{setting} has {Text(all.Length)} entries; allowed are at most {Text(SpecRules.FloorsMax)}.");
        }

        foreach (var text in all.Take(SpecRules.FloorsMax))
        {
            if (!ScheduledFloor.TryParse(text, out var floor))
            {
                Refuse(setting, Shown(text ?? ""), $"{setting} has '{Shown(text ?? "")}'; allowed is {ScheduledFloor.Form}.");
            }
            else if (floor.Duration < ScheduledFloor.DurationMin || floor.Duration > ScheduledFloor.DurationMax)
            {
                Refuse(setting, Shown(text), $"{setting} has '{Shown(text)}' for {Durations.Format(floor.Duration)}; allowed are {Durations.Format(ScheduledFloor.DurationMin)} to {Durations.Format(ScheduledFloor.DurationMax)}.");
            }
            else if (floor.Instances is < 1 or > SpecRules.InstancesMax)
            {
                Refuse(setting, Shown(text), $"{setting} has '{Shown(text)}' with {Text(floor.Instances)} instances; allowed are 1 to {Text(SpecRules.InstancesMax)}.");
            }
            else
            {
                floors.Add(floor);
            }
        }

        return floors.ToImmutable();
    }

    public void FloorsAtMostMax(string setting, ImmutableArray<ScheduledFloor> floors, int max)
    {
        foreach (var floor in floors.Where(f => f.Instances > max && IsFine("max_instances")))
        {
            Refuse(setting, floor.ToString(), $"{setting} has '{floor}' with {Text(floor.Instances)} instances; allowed are 1 to max_instances, which is {Text(max)}.");
        }
    }

    /// <summary>A number of instances that are never taken back: all of them must fit the machine at once.</summary>
    public int Provisioned(string setting, int value, int memoryMib, double reserved, MachineFacts machine)
    {
        var provisioned = Count(setting, value, 0, SpecRules.InstancesMax);
        var fitting = machine.MemoryMib / Math.Max(1, memoryMib);
        var byCores = reserved > 0 ? (int)Math.Min(SpecRules.InstancesMax, Math.Floor((machine.ReservableCores / reserved) + 1e-9)) : SpecRules.InstancesMax;
        if (provisioned > byCores && IsFine(setting) && IsFine("reserve_cpu"))
        {
            Refuse(setting, Text(value), $"{setting} is {Text(value)}; allowed are 0 to {Text(byCores)}, because instances with reserve_cpu {Text(reserved)} each are to fit the {Text(machine.ReservableCores)} cores that may be reserved (machine.cpu).");
        }

        if (provisioned > fitting && IsFine(setting) && IsFine("memory"))
        {
            Refuse(setting, Text(value), $"{setting} is {Text(value)}; allowed are 0 to {Text(fitting)}, because instances of {Text(memoryMib)} MiB each are to fit the machine's {Text(machine.MemoryMib)} MiB at once.");
        }

        return Math.Min(provisioned, Math.Max(0, fitting));
    }

    /// <summary>Cores to be reserved: no more than an instance may use, nor than the machine lets reserve.</summary>
    public double ReserveCpu(string setting, double value, double cpu, MachineFacts machine)
    {
        var max = Math.Min(cpu, machine.ReservableCores);
        if (!(value >= 0 && value <= max) && IsFine("cpu"))
        {
            Refuse(setting, Text(value), $"{setting} is {Text(value)}; allowed are 0 to {Text(max)} ({(max < cpu ? "what the machine lets reserve, machine.cpu" : "the cpu of an instance")}).");
        }

        return double.IsNaN(value) ? 0 : Math.Clamp(value, 0, max);
    }

    public double Number(string setting, double value, double min, double max)
    {
        if (value >= min && value <= max)
        {
            return value;
        }

        Refuse(setting, Text(value), $"{setting} is {Text(value)}; allowed are {Text(min)} to {Text(max)} (the machine's cores).");
        return max;
    }

    public double Share(string setting, double value, double min, double max)
    {
        if (value >= min && value <= max)
        {
            return value;
        }

        Refuse(setting, Text(value), $"{setting} is {Text(value)}; allowed are {Text(min)} to {Text(max)}.");
        return max;
    }

    public TimeSpan Duration(string setting, string? text, TimeSpan byDefault, TimeSpan min, TimeSpan max)
    {
        if (text is null)
        {
            return byDefault;
        }

        if (!Durations.TryParse(text, out var value))
        {
            Refuse(setting, text, $"{setting} is '{Shown(text)}'; allowed is {Durations.Forms}.");
            return byDefault;
        }

        if (value < min || value > max)
        {
            Refuse(setting, text, $"{setting} is {Shown(text)}; allowed are {Durations.Format(min)} to {Durations.Format(max)}.");
            return byDefault;
        }

        return value;
    }

    /// <param name="why">Added to a refusal: why the bounds are these.</param>
    public long Size(string setting, string? text, long byDefault, long min, long max, string why = "")
    {
        if (text is null)
        {
            return byDefault;
        }

        if (!Sizes.TryParse(text, out var value))
        {
            Refuse(setting, text, $"{setting} is '{Shown(text)}'; allowed is {Sizes.Forms}.");
            return byDefault;
        }

        if (value < min || value > max)
        {
            Refuse(setting, text, $"{setting} is {Shown(text)}; allowed are {Sizes.Format(min)} to {Sizes.Format(max)}{why}.");
            return byDefault;
        }

        return value;
    }

    /// <summary>A size in whole MiB, rounded up.</summary>
    public int MemoryMib(string setting, string? text, int byDefault, int min, int max)
    {
        var bytes = Size(setting, text, byDefault * Sizes.BytesPerMib, min * Sizes.BytesPerMib, max * Sizes.BytesPerMib, " (what an instance needs to start, and what the machine has)");
        return (int)((bytes + Sizes.BytesPerMib - 1) / Sizes.BytesPerMib);
    }

    /// <summary>Names match [A-Za-z_][A-Za-z0-9_]* and are not the product's own; values hold no NUL.</summary>
    public ImmutableSortedDictionary<string, string> Environment(string setting, ImmutableSortedDictionary<string, string>? wished)
    {
        var entries = Variables(setting, wished, SpecRules.EnvironmentMax);
        foreach (var (name, value) in entries)
        {
            CheckValue(setting, name, value);
        }

        return entries;
    }

    /// <summary>Something by the names of variables, at most <paramref name="max"/>: they match [A-Za-z_][A-Za-z0-9_]* and are not the product's own.</summary>
    public ImmutableSortedDictionary<string, string> Variables(string setting, ImmutableSortedDictionary<string, string>? wished, int max)
    {
        var entries = Bounded(setting, wished, max);
        foreach (var name in entries.Keys)
        {
            if (!IsEnvironmentName(name))
            {
                Refuse(setting, name, $"{setting} has the name '{Shown(name)}'; allowed are letters, digits and '_', not beginning with a digit.");
            }
            else if (name.StartsWith("DORMOUSE_", StringComparison.Ordinal) || name == "ORT_DISABLE_TELEMETRY")
            {
                Refuse(setting, name, $"{setting} has the name '{name}', which the product sets itself; allowed are names that do not begin with DORMOUSE_.");
            }
        }

        return entries;
    }

    /// <summary>Keys are 1 to 128 printable ASCII characters without blanks or '='; values hold no NUL.</summary>
    public ImmutableSortedDictionary<string, string> Engine(string setting, ImmutableSortedDictionary<string, string>? wished)
    {
        var entries = Bounded(setting, wished, SpecRules.EngineMax);
        foreach (var (key, value) in entries)
        {
            if (key.Length is < 1 or > 128 || key.AsSpan().ContainsAnyExceptInRange('!', '~') || key.Contains('=', StringComparison.Ordinal))
            {
                Refuse(setting, key, $"{setting} has the key '{Shown(key)}'; allowed are 1 to 128 printable characters without blanks or '='.");
            }

            CheckValue(setting, key, value);
        }

        return entries;
    }

    private static bool IsEnvironmentName(string name)
    {
        foreach (var c in name)
        {
            if (!char.IsAsciiLetterOrDigit(c) && c != '_')
            {
                return false;
            }
        }

        return name.Length > 0 && !char.IsAsciiDigit(name[0]);
    }

    public ImmutableSortedDictionary<string, string> Bounded(string setting, ImmutableSortedDictionary<string, string>? wished, int max)
    {
        // Another comparer would make equal specs differ at rest.
        var entries = (wished ?? ImmutableSortedDictionary<string, string>.Empty).WithComparers(StringComparer.Ordinal);
        if (entries.Count > max)
        {
            Refuse(setting, Text(entries.Count), $"{setting} has {Text(entries.Count)} entries; allowed are at most {Text(max)}.");
        }

        return entries;
    }

    private void CheckValue(string setting, string name, string value)
    {
        if (value.Length > SpecRules.ValueLengthMax)
        {
            Refuse(setting, Shown(value), $"{setting} '{Shown(name)}' has {Text(value.Length)} characters; allowed are at most {Text(SpecRules.ValueLengthMax)}.");
        }
        else if (value.Contains('\0', StringComparison.Ordinal))
        {
            Refuse(setting, Shown(value), $"{setting} '{Shown(name)}' holds a NUL character; allowed is any text without one.");
        }
    }

    private static string Shown(string text) => ShownText.Of(text);

    private static string Text(double value) => value.ToString(CultureInfo.InvariantCulture);
}
