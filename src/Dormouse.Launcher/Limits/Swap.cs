namespace Dormouse.Launcher.Limits;

/// <summary>Where the memory of a frozen worker can be pushed to.</summary>
internal static class Swap
{
    private const string List = "/proc/swaps";

    /// <summary>The machine has swap now. Without it, pushing out frees no memory of programs.</summary>
    public static bool IsThere()
    {
        try
        {
            return IsIn(File.ReadAllText(List));
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return false; // A kernel without swap has no such file.
        }
    }

    /// <param name="list">Text of <c>/proc/swaps</c>: a heading, and a line for each.</param>
    public static bool IsIn(string list) => list.Split('\n', StringSplitOptions.RemoveEmptyEntries).Length > 1;
}
