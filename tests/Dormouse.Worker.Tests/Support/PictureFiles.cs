using System.Buffers.Binary;
using System.IO.Hashing;
using System.Text;

namespace Dormouse.Worker.Tests.Support;

/// <summary>Writes picture files from their formats' rules, such as no encoder would.</summary>
internal static class PictureFiles
{
    /// <summary>One red pixel, lossless.</summary>
    private static readonly byte[] StillWebp = Convert.FromBase64String("UklGRhoAAABXRUJQVlA4TA0AAAAvAAAAEAcQERGIiP4HAA==");

    private static readonly byte[] PngSignature = [0x89, .. "PNG\r\n\u001a\n"u8];

    /// <summary>A header that claims a size, and hardly any data.</summary>
    internal static byte[] PngClaiming(int width, int height) =>
        [.. PngSignature, .. PngHeader(width, height), .. PngChunk("IDAT", [0x78, 0x9C, 0x63, 0, 0, 0, 1, 0, 1]), .. PngChunk("IEND", [])];

    /// <summary>Adds the chunk that says that a picture has two frames.</summary>
    internal static byte[] Animate(byte[] png)
    {
        var afterHeader = PngSignature.Length + 25;
        var control = new byte[8];
        BinaryPrimitives.WriteUInt32BigEndian(control, 2);
        return [.. png[..afterHeader], .. PngChunk("acTL", control), .. png[afterHeader..]];
    }

    /// <summary>Two lossless frames of one pixel in an extended WebP container.</summary>
    internal static byte[] AnimatedWebp()
    {
        byte[] header = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 100, 0, 0, 0];
        byte[] frame = [.. header, .. StillWebp[12..]];
        byte[] body = [.. Riff("VP8X", [2, 0, 0, 0, 0, 0, 0, 0, 0, 0]), .. Riff("ANIM", [0, 0, 0, 0, 0, 0]), .. Riff("ANMF", frame), .. Riff("ANMF", frame)];
        return Riff("RIFF", [.. "WEBP"u8, .. body]);
    }

    private static byte[] PngHeader(int width, int height)
    {
        // 8 bits a sample, grey, no interlace.
        var header = new byte[13];
        BinaryPrimitives.WriteInt32BigEndian(header, width);
        BinaryPrimitives.WriteInt32BigEndian(header.AsSpan(4), height);
        header[8] = 8;
        return PngChunk("IHDR", header);
    }

    private static byte[] PngChunk(string type, byte[] data)
    {
        byte[] typed = [.. Encoding.ASCII.GetBytes(type), .. data];
        var framed = new byte[typed.Length + 8];
        BinaryPrimitives.WriteInt32BigEndian(framed, data.Length);
        typed.CopyTo(framed, 4);
        BinaryPrimitives.WriteUInt32BigEndian(framed.AsSpan(typed.Length + 4), Crc32.HashToUInt32(typed));
        return framed;
    }

    private static byte[] Riff(string type, byte[] data)
    {
        var framed = new byte[8 + data.Length + (data.Length & 1)];
        Encoding.ASCII.GetBytes(type, framed);
        BinaryPrimitives.WriteInt32LittleEndian(framed.AsSpan(4), data.Length);
        data.CopyTo(framed, 8);
        return framed;
    }
}
