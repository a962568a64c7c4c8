using System.Collections.Immutable;
using System.Security.Cryptography;
using Dormouse.Core.Secrets;

namespace Dormouse.Storage.Sealing;

/// <summary>A key that seals.</summary>
/// <param name="Id">16 hexadecimal digits of the key's hash: tells which key it is, and nothing else of it.</param>
internal sealed record SealingKey(string Id, byte[] Bytes)
{
    public const int Length = 32;

    public static SealingKey Of(byte[] bytes) => new(Convert.ToHexStringLower(SHA256.HashData(bytes).AsSpan(0, SealedValue.KeyIdBytes)), bytes);

    public override string ToString() => Id;
}

/// <summary>
/// The file that holds the keys, one a line in base64; lines that begin with '#' are for people. The first key seals, all of them open: a new line at the top is a new key from the next start on.
/// It is made when something is sealed for the first time, readable by its owner only.
/// </summary>
internal sealed class KeyFile(string path)
{
    public const string DefaultName = "secrets.key";

    private const string Head = "# Key of this server's secrets. Without it they cannot be read; keep a copy apart from backups.\n";

    private readonly Lock _reading = new();
    private ImmutableArray<SealingKey> _keys = [];

    public string FilePath => path;

    /// <summary>All keys, the one that seals first; empty when the file does not exist.</summary>
    /// <exception cref="SealingException">The file cannot be read, or holds something else.</exception>
    public ImmutableArray<SealingKey> Keys()
    {
        lock (_reading)
        {
            return _keys.IsEmpty ? _keys = Read() : _keys;
        }
    }

    /// <summary>The key of this id, looked for in the file anew when it was not in it before; null = it is not in it.</summary>
    public SealingKey? Find(string id)
    {
        lock (_reading)
        {
            if (_keys.FirstOrDefault(k => k.Id == id) is { } known)
            {
                return known;
            }

            _keys = Read();
            return _keys.FirstOrDefault(k => k.Id == id);
        }
    }

    /// <summary>Makes the file with a key of its own, unless somebody else makes it just now.</summary>
    public void Make()
    {
        lock (_reading)
        {
            var part = $"{path}.{Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(8))}";
            try
            {
                var options = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write, UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite };
                using (var file = new FileStream(part, options))
                {
                    file.Write(System.Text.Encoding.ASCII.GetBytes(Head + Convert.ToBase64String(RandomNumberGenerator.GetBytes(SealingKey.Length)) + "\n"));
                    file.Flush(flushToDisk: true);
                }

                File.Move(part, path, overwrite: false);
            }
            catch (IOException) when (File.Exists(path))
            {
                // Another server of the same file was first.
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                throw new SealingException($"The key file '{path}' cannot be made: {e.Message}", e);
            }
            finally
            {
                File.Delete(part);
            }

            _keys = Read();
        }
    }

    private ImmutableArray<SealingKey> Read()
    {
        try
        {
            return File.Exists(path) ? Parse(File.ReadAllLines(path)) : [];
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new SealingException($"The key file '{path}' cannot be read: {e.Message}", e);
        }
    }

    private ImmutableArray<SealingKey> Parse(string[] lines)
    {
        var keys = ImmutableArray.CreateBuilder<SealingKey>();
        for (var number = 1; number <= lines.Length; number++)
        {
            var line = lines[number - 1].Trim();
            if (line.Length == 0 || line[0] == '#')
            {
                continue;
            }

            var bytes = new byte[SealingKey.Length + 3];
            if (!Convert.TryFromBase64String(line, bytes, out var length) || length != SealingKey.Length)
            {
                throw new SealingException($"Line {number} of the key file '{path}' is no key: {SealingKey.Length} bytes in base64 are needed ('openssl rand -base64 {SealingKey.Length}' makes one).");
            }

            keys.Add(SealingKey.Of(bytes[..length]));
        }

        return keys.Count > 0 ? keys.ToImmutable() : throw new SealingException($"The key file '{path}' holds no key.");
    }
}
