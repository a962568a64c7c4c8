using System.Text;
using Dormouse.Cli.Terminal;

namespace Dormouse.Cli.Deploy;

/// <summary>An endpoint's name from a file's or folder's.</summary>
internal static class EndpointNames
{
    private const int LengthMax = 63;

    /// <summary>Words that name a file but no model.</summary>
    private static readonly string[] Meaningless = ["model", "onnx"];

    /// <summary>A DNS label: lower case, everything else than a–z and 0–9 becomes one '-'.</summary>
    public static string From(string name)
    {
        var label = new StringBuilder();
        foreach (var c in name.ToLowerInvariant())
        {
            if (c is (>= 'a' and <= 'z') or (>= '0' and <= '9'))
            {
                label.Append(c);
            }
            else if (label.Length > 0 && label[^1] != '-')
            {
                label.Append('-');
            }
        }

        label.Length = Math.Min(label.Length, LengthMax);
        var text = label.ToString().Trim('-');
        return text.Length > 0 && !Meaningless.Contains(text)
            ? text
            : throw CommandException.Usage($"No name for the endpoint can be made of '{name}'. Give one with --name.");
    }
}
