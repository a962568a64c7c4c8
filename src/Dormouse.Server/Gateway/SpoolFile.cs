using Dormouse.Core;

namespace Dormouse.Server.Gateway;

/// <summary>A file without a name: it is unlinked as soon as it is made, so nothing of it outlives the request or the server.</summary>
internal sealed class SpoolFile : IAsyncDisposable
{
    private readonly FileStream _file;

    private SpoolFile(FileStream file) => _file = file;

    public long Length { get; private set; }

    /// <summary>Writing failed: the disk is full, most likely.</summary>
    public bool HasFailed { get; private set; }

    public static SpoolFile Create(string folder, IIdSource ids)
    {
        var path = Path.Combine(folder, $"dormouse-{ids.NewId():N}.spool");
        var options = new FileStreamOptions
        {
            Mode = FileMode.CreateNew,
            Access = FileAccess.ReadWrite,
            Options = FileOptions.Asynchronous,
            BufferSize = 0,
        };
        if (!OperatingSystem.IsWindows())
        {
            // Nobody else may open it in the moment before it is unlinked.
            options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        }

        var file = new FileStream(path, options);
        File.Delete(path);
        return new SpoolFile(file);
    }

    public async ValueTask WriteAsync(ReadOnlyMemory<byte> bytes)
    {
        try
        {
            await RandomAccess.WriteAsync(_file.SafeFileHandle, bytes, Length);
        }
        catch (IOException)
        {
            HasFailed = true;
            throw;
        }

        Length += bytes.Length;
    }

    public ValueTask<int> ReadAsync(Memory<byte> destination, long offset, CancellationToken cancellationToken) =>
        RandomAccess.ReadAsync(_file.SafeFileHandle, destination, offset, cancellationToken);

    public ValueTask DisposeAsync() => _file.DisposeAsync();
}
