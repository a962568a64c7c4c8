using Dormouse.Cli.Terminal;
using Dormouse.Core.Endpoints;

namespace Dormouse.Cli.Simulation;

/// <summary>Checks option values; a message names the option, the value and what is allowed.</summary>
internal static class SimulateValues
{
    public static TimeSpan Duration(string option, string? text, TimeSpan byDefault, TimeSpan min, TimeSpan max)
    {
        if (text is null)
        {
            return byDefault;
        }

        if (!Durations.TryParse(text, out var value))
        {
            throw CommandException.Usage($"{option} is '{text}'; allowed is {Durations.Forms}.");
        }

        return value >= min && value <= max ? value : throw CommandException.Usage($"{option} is {text}; allowed are {Durations.Format(min)} to {Durations.Format(max)}.");
    }

    public static int Within(string option, int value, int min, int max) => (int)Within(option, (double)value, min, max);

    public static double Within(string option, double value, double min, double max) =>
        value >= min && value <= max ? value : throw CommandException.Usage($"{option} is {Units.Number(value)}; allowed are {Units.Number(min, "0.######")} to {Units.Number(max)}.");

    /// <summary>Whole MiB, rounded up.</summary>
    public static long Mib(string option, string? text, long byDefault, long min, long max)
    {
        if (text is null)
        {
            return byDefault;
        }

        if (!Sizes.TryParse(text, out var bytes))
        {
            throw CommandException.Usage($"{option} is '{text}'; allowed is {Sizes.Forms}.");
        }

        var mib = (bytes + Sizes.BytesPerMib - 1) / Sizes.BytesPerMib;
        return mib >= min && mib <= max
            ? mib
            : throw CommandException.Usage($"{option} is {text}; allowed are {Sizes.Format(min * Sizes.BytesPerMib)} to {Sizes.Format(max * Sizes.BytesPerMib)}.");
    }
}
