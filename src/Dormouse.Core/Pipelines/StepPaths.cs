namespace Dormouse.Core.Pipelines;

/// <summary>What paths in a definition may lead to: <c>$.input</c>, <c>$.steps.NAME</c>, <c>$.run</c>, and within a mapped step <c>$.item</c> and <c>$.index</c>.</summary>
internal static class StepPaths
{
    public const string Input = "input";
    public const string InputBase64 = "input_base64";
    public const string Steps = "steps";
    public const string Run = "run";
    public const string Item = "item";
    public const string Index = "index";

    private static readonly string[] Always = [Input, InputBase64, Steps, Run];

    /// <summary>Null when the path begins with something that is there.</summary>
    public static string? Fault(string path, bool inMap) => First(path) switch
    {
        Item or Index when !inMap => $"'{path}' is of a step with 'map' only",
        Item or Index => null,
        { } first when Always.Contains(first) => null,
        _ => $"'{path}' leads nowhere; paths begin with $.{string.Join(", $.", Always)}{(inMap ? ", $.item or $.index" : "")}",
    };

    public static bool IsMember(string name) => Always.Contains(name);

    /// <summary>The steps that paths lead to, each once.</summary>
    public static IEnumerable<string> Mentioned(IEnumerable<string> paths) => paths.Where(p => First(p) == Steps).Select(Second).OfType<string>().Distinct(StringComparer.Ordinal);

    private static string? First(string path) => Part(path, 1, out _);

    private static string? Second(string path) => Part(path, 1, out var end) is null ? null : Part(path, end, out _);

    private static string? Part(string path, int at, out int end)
    {
        end = at;
        if (at >= path.Length || path[at] != '.')
        {
            return null;
        }

        var next = path.AsSpan(at + 1).IndexOfAny('.', '[');
        end = next < 0 ? path.Length : at + 1 + next;
        return path[(at + 1)..end];
    }
}
