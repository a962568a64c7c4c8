namespace Dormouse.Bench;

/// <summary>With <c>BENCH_QUICK=1</c> legs that know it take few items and little time: to see that everything runs. Their numbers mean nothing then.</summary>
internal static class Quick
{
    public static bool IsOn { get; } = Environment.GetEnvironmentVariable("BENCH_QUICK") == "1";

    public static T Or<T>(T few, T many) => IsOn ? few : many;
}
