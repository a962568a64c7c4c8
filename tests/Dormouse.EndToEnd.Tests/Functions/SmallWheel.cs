using System.IO.Compression;
using System.Security.Cryptography;
using System.Text;

namespace Dormouse.EndToEnd.Tests.Functions;

/// <summary>A wheel of one Python module, which pip installs without a network.</summary>
internal static class SmallWheel
{
    /// <summary>Name of the file that <see cref="Make"/> makes.</summary>
    public static string NameOf(string name, string version) => $"{name}-{version}-py3-none-any.whl";

    public static byte[] Make(string name, string version, string source)
    {
        var info = $"{name}-{version}.dist-info";
        var files = new List<(string Path, string Text)>
        {
            ($"{name}.py", source),
            ($"{info}/METADATA", $"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"),
            ($"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n"),
        };
        var record = string.Concat(files.Select(f => $"{f.Path},sha256={Digest(f.Text)},{Encoding.UTF8.GetByteCount(f.Text)}\n"));
        files.Add(($"{info}/RECORD", $"{record}{info}/RECORD,,\n"));
        using var bytes = new MemoryStream();
        using (var archive = new ZipArchive(bytes, ZipArchiveMode.Create))
        {
            foreach (var (path, text) in files)
            {
                using var entry = archive.CreateEntry(path).Open();
                entry.Write(Encoding.UTF8.GetBytes(text));
            }
        }

        return bytes.ToArray();
    }

    private static string Digest(string text) => Convert.ToBase64String(SHA256.HashData(Encoding.UTF8.GetBytes(text))).TrimEnd('=').Replace('+', '-').Replace('/', '_');
}
