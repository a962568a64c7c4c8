using System.Collections.Immutable;
using System.Security.Cryptography;
using System.Text;
using Dormouse.Core.Packages;

namespace Dormouse.Core.Environments;

/// <summary>Address of an environment by what it is made of: 32 lower-case hexadecimal digits, compared ordinally. Also the name of its folder.</summary>
public readonly record struct EnvironmentId(string Value)
{
    public const int Length = 32;

    /// <summary>Digits that people are shown.</summary>
    public const int ShownLength = 12;

    /// <summary>
    /// Equal for equal contents: interpreter, whether the system's packages are seen, what is to be installed, and every local file that installing reads. What an index
    /// answers is not part of it: an environment is what its requirements meant when it was first built.
    /// </summary>
    /// <param name="python">Minor version, such as "3.11".</param>
    /// <param name="interpreter">Path of the program: environments refer to it.</param>
    /// <param name="systemPackages">The interpreter's own packages are seen.</param>
    /// <param name="files">Hash of a file of the package.</param>
    public static EnvironmentId Of(string python, string interpreter, bool systemPackages, RequirementsText requirements, Func<string, BlobHash> files)
    {
        var text = new StringBuilder("environment 1\n")
            .Append("python ").Append(python).Append(' ').Append(interpreter).Append('\n')
            .Append("system ").Append(systemPackages ? '1' : '0').Append('\n');
        foreach (var (kind, lines) in (ReadOnlySpan<(char, ImmutableArray<string>)>)[('r', requirements.Lines), ('c', requirements.Constraints)])
        {
            foreach (var line in lines)
            {
                text.Append(kind).Append(' ').Append(line).Append('\n');
            }
        }

        foreach (var path in requirements.LocalFiles)
        {
            text.Append("f ").Append(files(path).Value).Append(' ').Append(path).Append('\n');
        }

        return new EnvironmentId(Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text.ToString())))[..Length]);
    }

    public static bool IsValid(string? text) => text is { Length: Length } && text.All(c => char.IsAsciiHexDigitLower(c) || char.IsAsciiDigit(c));

    public override string ToString() => Value;
}
