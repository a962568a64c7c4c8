namespace Dormouse.Server.Logs;

/// <summary>How a program says which invocation wrote a line: its id between two record separators in front of it (<c>python/dormouse/runner/lines.py</c>).</summary>
internal static class InvocationMark
{
    private const char Mark = '\u001e';

    /// <summary>An id has 36 characters; a program may write what it likes.</summary>
    private const int IdLengthMax = 64;

    /// <summary>The line without its mark, and the invocation; null = it has none.</summary>
    public static (string? Invocation, string Text) Take(string line)
    {
        if (line.Length == 0 || line[0] != Mark)
        {
            return (null, line);
        }

        var end = line.IndexOf(Mark, 1);
        return end is > 1 and <= IdLengthMax + 1 ? (line[1..end], line[(end + 1)..]) : (null, line);
    }
}
