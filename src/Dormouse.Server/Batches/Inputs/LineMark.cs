using System.Globalization;

namespace Dormouse.Server.Batches.Inputs;

/// <summary>Where reading of a text goes on.</summary>
internal readonly record struct LineMark(long Offset, long Line)
{
    /// <summary>Null = the beginning.</summary>
    public static LineMark Parse(string? text)
    {
        if (text is null)
        {
            return new LineMark(0, 1);
        }

        var parts = text.Split(' ');
        return new LineMark(long.Parse(parts[0], CultureInfo.InvariantCulture), long.Parse(parts[1], CultureInfo.InvariantCulture));
    }

    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Offset} {Line}");
}
