using Dormouse.Worker.Pictures;
using SkiaSharp;

namespace Dormouse.Worker.Tests.Pictures;

public sealed class PictureOrientationTests
{
    private const int Block = 16;

    /// <summary>The picture is 3 × 2 blocks of grey 1 2 3 / 4 5 6 (times 40), large enough for JPEG to keep them.</summary>
    [Theory]
    [InlineData(1, new byte[] { 1, 2, 3, 4, 5, 6 })]
    [InlineData(2, new byte[] { 3, 2, 1, 6, 5, 4 })]
    [InlineData(3, new byte[] { 6, 5, 4, 3, 2, 1 })]
    [InlineData(4, new byte[] { 4, 5, 6, 1, 2, 3 })]
    [InlineData(5, new byte[] { 1, 4, 2, 5, 3, 6 })]
    [InlineData(6, new byte[] { 4, 1, 5, 2, 6, 3 })]
    [InlineData(7, new byte[] { 6, 3, 5, 2, 4, 1 })]
    [InlineData(8, new byte[] { 3, 6, 2, 5, 1, 4 })]
    public void Every_exif_orientation_of_a_jpeg_is_turned_upright(int orientation, byte[] upright)
    {
        var jpeg = Jpeg();
        byte[] exif = [.. "Exif\0\0II*\0"u8, 8, 0, 0, 0, 1, 0, 0x12, 0x01, 3, 0, 1, 0, 0, 0, (byte)orientation, 0, 0, 0, 0, 0, 0, 0];
        byte[] turned = [.. jpeg[..2], 0xFF, 0xE1, 0, (byte)(exif.Length + 2), .. exif, .. jpeg[2..]];

        var image = PictureFitting.Grey(Decoding.Whole(turned));

        var (columns, rows) = orientation >= 5 ? (2, 3) : (3, 2);
        Assert.Equal((columns * Block, rows * Block), (image.Width, image.Height));
        var centres = from row in Enumerable.Range(0, rows)
                      from column in Enumerable.Range(0, columns)
                      select image.Pixels[(((row * Block) + (Block / 2)) * image.Width) + (column * Block) + (Block / 2)];
        Assert.Equal(upright, centres.Select(p => (byte)Math.Round(p / 40.0)));
    }

    private static byte[] Jpeg()
    {
        using var bitmap = new SKBitmap(new SKImageInfo(3 * Block, 2 * Block, SKColorType.Rgba8888, SKAlphaType.Opaque));
        for (var y = 0; y < bitmap.Height; y++)
        {
            for (var x = 0; x < bitmap.Width; x++)
            {
                var value = (byte)((((y / Block) * 3) + (x / Block) + 1) * 40);
                bitmap.SetPixel(x, y, new SKColor(value, value, value));
            }
        }

        using var data = bitmap.Encode(SKEncodedImageFormat.Jpeg, 100);
        return data.ToArray();
    }
}
