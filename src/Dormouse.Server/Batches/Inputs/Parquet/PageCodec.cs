using System.IO.Compression;
using System.Runtime.CompilerServices;
using ZstdSharp;

namespace Dormouse.Server.Batches.Inputs.Parquet;

/// <summary>Unpacks a page into exactly as many bytes as its header promised: what says something else is damaged, and what would be more is not written.</summary>
internal static class PageCodec
{
    private const int None = 0;

    private const int Snappy = 1;

    private const int Gzip = 2;

    private const int Brotli = 4;

    private const int Zstandard = 6;

    public static bool IsKnown(int codec) => codec is None or Snappy or Gzip or Brotli or Zstandard;

    public static string Unknown(string column, int codec) => $"column '{column}' is packed with {codec switch { 3 => "LZO", 5 or 7 => "LZ4", _ => "something unknown" }}; none, Snappy, gzip, Brotli and Zstandard are read";

    /// <param name="unpacked">Is filled.</param>
    public static void Unpack(int codec, ReadOnlyMemory<byte> stored, Span<byte> unpacked)
    {
        if (unpacked.IsEmpty)
        {
            return;
        }

        int written;
        try
        {
            written = codec switch
            {
                None => Copy(stored.Span, unpacked),
                Snappy => UnpackSnappy(stored.Span, unpacked),
                Gzip => UnpackGzip(stored, unpacked),
                Brotli => BrotliDecoder.TryDecompress(stored.Span, unpacked, out var bytes) ? bytes : -1,
                _ => UnpackZstandard(stored.Span, unpacked),
            };
        }
        catch (Exception)
        {
            // What a library throws over damaged bytes differs, and means just that.
            written = -1;
        }

        if (written != unpacked.Length)
        {
            throw new ParquetFaultException($"a page does not unpack to the {unpacked.Length} bytes that its header says");
        }
    }

    private static int Copy(ReadOnlySpan<byte> stored, Span<byte> unpacked) => stored.TryCopyTo(unpacked) ? stored.Length : -1;

    /// <summary>A method of its own, so that the library is loaded when a file needs it.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static int UnpackSnappy(ReadOnlySpan<byte> stored, Span<byte> unpacked) =>
        Snappier.Snappy.GetUncompressedLength(stored) == unpacked.Length ? Snappier.Snappy.Decompress(stored, unpacked) : -1;

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static int UnpackZstandard(ReadOnlySpan<byte> stored, Span<byte> unpacked)
    {
        using var decompressor = new Decompressor();
        return decompressor.Unwrap(stored, unpacked);
    }

    private static int UnpackGzip(ReadOnlyMemory<byte> stored, Span<byte> unpacked)
    {
        using var packed = new MemoryStream(stored.ToArray(), writable: false);
        using var gzip = new GZipStream(packed, CompressionMode.Decompress);
        var written = gzip.ReadAtLeast(unpacked, unpacked.Length, throwOnEndOfStream: false);
        return gzip.ReadByte() < 0 ? written : -1;
    }
}
