using Dormouse.Core.Overflow;

namespace Dormouse.Server.Overflow;

/// <summary>The keys of overflow addresses. They stay where the operator put them: revisions, receipts and logs hold names only.</summary>
/// <param name="folder">The folder of key files, below the data folder.</param>
internal sealed class OverflowKeys(string folder)
{
    /// <summary>Below the data folder.</summary>
    public const string FolderName = "overflow-keys";

    private const int KeyBytesMax = 4_096;

    /// <summary>Null when the key of this address is there, or none is needed; else a sentence.</summary>
    public string? Missing(OverflowPolicy policy)
    {
        if (policy.KeyEnv is { } variable)
        {
            return string.IsNullOrWhiteSpace(Environment.GetEnvironmentVariable(variable))
                ? $"overflow.key_env is '{variable}', which is not set for the server; allowed are variables that the server was started with."
                : null;
        }

        return policy.KeyFile is not { } file || File.Exists(Path.Combine(folder, file))
            ? null
            : $"overflow.key_file is '{file}', which is not in the server's folder {FolderName}; allowed are names of files that the operator has put there.";
    }

    /// <summary>The key to send; null when the address needs none.</summary>
    /// <exception cref="IOException">Its file cannot be read, or the key cannot be sent: empty, too long, or of more than one line.</exception>
    public async ValueTask<string?> ReadAsync(OverflowPolicy policy, CancellationToken cancellationToken)
    {
        if (policy is { KeyEnv: null, KeyFile: null })
        {
            return null;
        }

        var text = policy.KeyEnv is { } variable
            ? Environment.GetEnvironmentVariable(variable)
            : await ReadFileAsync(Path.Combine(folder, policy.KeyFile!), cancellationToken); // One of both is set.
        var key = text?.Trim();
        return key is { Length: > 0 } && !key.AsSpan().ContainsAnyExceptInRange('!', '~') ? key : throw new IOException("the key is empty, or not one word of printable ASCII");
    }

    private static async Task<string> ReadFileAsync(string path, CancellationToken cancellationToken)
    {
        try
        {
            return new FileInfo(path).Length <= KeyBytesMax ? await File.ReadAllTextAsync(path, cancellationToken) : throw new IOException("the key's file is too long");
        }
        catch (UnauthorizedAccessException e)
        {
            throw new IOException("the key's file may not be read", e);
        }
        catch (FileNotFoundException e)
        {
            throw new IOException("the key's file is not there", e);
        }
    }
}
