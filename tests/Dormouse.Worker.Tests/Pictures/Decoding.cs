using Dormouse.Worker.Pictures;

namespace Dormouse.Worker.Tests.Pictures;

internal static class Decoding
{
    internal static PictureMemory Plenty { get; } = new(memoryMib: 4096, concurrency: 1);

    internal static PixelImage Whole(ReadOnlySpan<byte> encoded)
    {
        using var picture = PictureDecoder.Open(encoded, Plenty);
        return picture.Decode();
    }
}
