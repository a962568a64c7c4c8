using System.Security.Cryptography;
using Dormouse.Core.Access;

namespace Dormouse.Server.Access;

/// <summary><c>&lt;data&gt;/admin-key</c>: the administrator's key for programs of the same user on this machine, mode 0600, made once.</summary>
internal static class AdminKeyFile
{
    public const string Name = "admin-key";

    public static string ReadOrCreate(string dataFolder)
    {
        var path = Path.Combine(dataFolder, Name);
        if (File.Exists(path) && File.ReadAllText(path).Trim() is { Length: > 0 } kept)
        {
            return kept;
        }

        var key = KeyFormat.Make(RandomNumberGenerator.GetBytes(KeyFormat.RandomLength)).Text;

        // Written aside and moved, so that a crash leaves no half key and nobody sees the file before its mode is set.
        var draft = path + ".new";
        File.Delete(draft);
        var options = new FileStreamOptions
        {
            Mode = FileMode.CreateNew,
            Access = FileAccess.Write,
        };
        if (!OperatingSystem.IsWindows())
        {
            options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        }

        using (var writer = new StreamWriter(new FileStream(draft, options)))
        {
            writer.WriteLine(key);
        }

        File.Move(draft, path, overwrite: true);
        return key;
    }
}
