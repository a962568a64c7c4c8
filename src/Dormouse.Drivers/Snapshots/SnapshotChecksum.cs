using System.Buffers.Binary;
using System.Globalization;
using System.Numerics;
using System.Text;

namespace Dormouse.Drivers.Snapshots;

/// <summary>
/// What is written in a snapshot's files, as one word. CRIU restores an image whose pages were cut short or changed without a word, so this tells; it guards against a disk, not against whoever may write there.
/// </summary>
internal static class SnapshotChecksum
{
    private const int ReadBytes = 1 << 20;

    /// <summary>Reads all of it. "" when it cannot be read.</summary>
    public static string Of(string folder)
    {
        try
        {
            var text = new StringBuilder();
            var buffer = new byte[ReadBytes];
            foreach (var file in new DirectoryInfo(folder).EnumerateFiles("*.img").OrderBy(file => file.Name, StringComparer.Ordinal))
                text.Append(CultureInfo.InvariantCulture, $"{file.Name}={file.Length}:{Of(file, buffer):x16} ");
            return text.ToString();
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            return "";
        }
    }

    /// <summary>CRC-32C over two interleaved halves of each 16 bytes, which the processor does as fast as the file comes.</summary>
    private static ulong Of(FileInfo file, byte[] buffer)
    {
        using var stream = new FileStream(file.FullName, FileMode.Open, FileAccess.Read, FileShare.Read, bufferSize: 0);
        uint even = uint.MaxValue, odd = uint.MaxValue;
        int count;
        while ((count = stream.ReadAtLeast(buffer, buffer.Length, throwOnEndOfStream: false)) > 0)
        {
            var block = buffer.AsSpan(0, count);
            for (; block.Length >= 16; block = block[16..])
            {
                even = BitOperations.Crc32C(even, BinaryPrimitives.ReadUInt64LittleEndian(block));
                odd = BitOperations.Crc32C(odd, BinaryPrimitives.ReadUInt64LittleEndian(block[8..]));
            }

            foreach (var rest in block)
                even = BitOperations.Crc32C(even, rest);
        }

        return ((ulong)odd << 32) | even;
    }
}
