using System.Globalization;

namespace Dormouse.Bench;

/// <summary>How often a leg repeats. <c>DORMOUSE_BENCH_ROUNDS=3</c> shows in a minute that it works; its figures are worth nothing then.</summary>
internal static class Rounds
{
    private static readonly int? Most = int.TryParse(Environment.GetEnvironmentVariable("DORMOUSE_BENCH_ROUNDS"), CultureInfo.InvariantCulture, out var most) ? most : null;

    public static int Of(int wanted) => Math.Min(wanted, Most ?? wanted);

    /// <summary>Seconds of a load.</summary>
    public static double Seconds(double wanted) => Most is null ? wanted : Math.Min(wanted, 1);
}
