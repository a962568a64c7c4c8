using System.Globalization;
using System.Text.Json;
using Dormouse.Protocol.Control;

namespace Dormouse.Server.Logs;

/// <summary>Which lines are wanted.</summary>
/// <param name="Tail">The last so many of them.</param>
/// <param name="Invocation">Only lines of this one; null = of all.</param>
/// <param name="Since">Only lines written then or later; null = of any time.</param>
internal sealed record LogWish(int Tail, string? Invocation = null, DateTimeOffset? Since = null)
{
    public bool Wants(LogLine line) => (Invocation is null || string.Equals(line.Invocation, Invocation, StringComparison.OrdinalIgnoreCase)) && !(line.At < Since);
}

/// <summary>Reads lines from disk, the newest file first, until there are enough. A line that was not written to its end is passed over.</summary>
internal static class LogReading
{
    /// <param name="path">The endpoint's folder.</param>
    /// <param name="firstOwn">Files from this number on are this server's.</param>
    /// <param name="before">Of this server's files only lines with smaller numbers: the others are still to come.</param>
    public static List<LogLine> Last(string path, LogWish wish, long firstOwn, long before)
    {
        var found = new List<List<LogLine>>();
        var count = 0;
        foreach (var (number, file) in LogFolder.Files(path).Reverse())
        {
            var lines = new List<LogLine>();
            try
            {
                using var reader = new StreamReader(new FileStream(file.FullName, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete));
                while (reader.ReadLine() is { } text)
                {
                    if (Parse(text) is { } parsed && (number < firstOwn || parsed.Number < before) && wish.Wants(parsed.Line))
                    {
                        lines.Add(parsed.Line);
                    }
                }
            }
            catch (IOException)
            {
                // It was removed just now, because it was the oldest.
            }

            found.Add(lines);
            count += lines.Count;
            if (count >= wish.Tail || file.LastWriteTimeUtc < wish.Since)
            {
                break;
            }
        }

        found.Reverse();
        return [.. found.SelectMany(l => l).Skip(Math.Max(0, count - wish.Tail))];
    }

    private static NumberedLine? Parse(string text)
    {
        var tab = text.IndexOf('\t', StringComparison.Ordinal);
        if (tab < 0 || !long.TryParse(text.AsSpan(0, tab), NumberStyles.None, CultureInfo.InvariantCulture, out var number))
        {
            return null;
        }

        try
        {
            return JsonSerializer.Deserialize(text.AsSpan(tab + 1), ControlJson.Default.LogLine) is { } line ? new NumberedLine(number, line) : null;
        }
        catch (JsonException)
        {
            return null;
        }
    }
}
