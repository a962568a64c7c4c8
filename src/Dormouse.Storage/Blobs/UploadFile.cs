using System.Buffers;
using System.Security.Cryptography;
using Dormouse.Core.Packages;
using Dormouse.Storage.Posix;
using Microsoft.Win32.SafeHandles;

namespace Dormouse.Storage.Blobs;

/// <summary>A half-written upload that one caller appends to. The file's length is the offset to go on from, also after a crash or a full disk.</summary>
internal sealed class UploadFile : IDisposable
{
    private const int BufferBytes = 256 << 10;

    private readonly string _path;
    private readonly SafeFileHandle _file;
    private IncrementalHash? _hash;

    private UploadFile(string path, SafeFileHandle file)
    {
        _path = path;
        _file = file;
        Length = RandomAccess.GetLength(file);

        // A file that is written from its start is hashed on the way; one that is resumed is read again at its end.
        _hash = Length == 0 ? IncrementalHash.CreateHash(HashAlgorithmName.SHA256) : null;
    }

    public long Length { get; private set; }

    public static UploadFile Open(string path)
    {
        DataFolder.MakeFolder(Path.GetDirectoryName(path)!);
        return new UploadFile(path, File.OpenHandle(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.Read));
    }

    /// <summary>Drops what is there.</summary>
    public void Restart()
    {
        RandomAccess.SetLength(_file, 0);
        Length = 0;
        _hash ??= IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        _hash.GetHashAndReset();
    }

    /// <summary>Appends up to <paramref name="size"/> bytes in all. False when the disk is full; then <see cref="Length"/> says how far it came.</summary>
    public async Task<bool> AppendAsync(Stream content, long size, CancellationToken cancellationToken)
    {
        var buffer = ArrayPool<byte>.Shared.Rent(BufferBytes);
        try
        {
            while (Length < size)
            {
                var wanted = (int)Math.Min(BufferBytes, size - Length);
                var read = await content.ReadAsync(buffer.AsMemory(0, wanted), cancellationToken);
                await PoolThread.Go();
                if (read == 0)
                {
                    break;
                }

                if (!TryWrite(buffer.AsSpan(0, read)))
                {
                    return false;
                }
            }

            return true;
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    /// <summary>Hash of the whole file.</summary>
    public async Task<BlobHash> HashAsync(CancellationToken cancellationToken)
    {
        var hash = _hash is null ? await HashAsync(_file, cancellationToken) : _hash.GetHashAndReset();
        return new BlobHash(Convert.ToHexStringLower(hash));
    }

    /// <summary>Makes the content durable. False when the disk is full.</summary>
    public bool TryFlush()
    {
        try
        {
            RandomAccess.FlushToDisk(_file);
            return true;
        }
        catch (IOException e) when (Libc.IsNoSpace(e))
        {
            return false;
        }
    }

    public void Delete() => File.Delete(_path);

    public void Dispose()
    {
        _hash?.Dispose();
        _file.Dispose();
    }

    internal static async Task<byte[]> HashAsync(SafeFileHandle file, CancellationToken cancellationToken)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        var buffer = ArrayPool<byte>.Shared.Rent(BufferBytes);
        try
        {
            var offset = 0L;
            for (int read; (read = await RandomAccess.ReadAsync(file, buffer, offset, cancellationToken)) > 0; offset += read)
            {
                hash.AppendData(buffer, 0, read);
            }

            return hash.GetHashAndReset();
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    private bool TryWrite(ReadOnlySpan<byte> bytes)
    {
        try
        {
            RandomAccess.Write(_file, bytes, Length);
        }
        catch (IOException e) when (Libc.IsNoSpace(e))
        {
            // A part may have been written: it counts, but the hash has not seen it.
            Length = RandomAccess.GetLength(_file);
            _hash?.Dispose();
            _hash = null;
            return false;
        }

        _hash?.AppendData(bytes);
        Length += bytes.Length;
        return true;
    }
}
