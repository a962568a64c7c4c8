using Dormouse.Protocol.Signatures;
using Dormouse.Worker.Pictures;
using Dormouse.Worker.Tests.Support;
using SkiaSharp;

namespace Dormouse.Worker.Tests.Pictures;

public sealed class PictureRefusalTests
{
    [Fact]
    public void An_empty_body_is_refused() => Assert.Contains("empty", Refusal([]), StringComparison.Ordinal);

    [Fact]
    public void Text_is_refused() => Assert.Contains("not a picture", Refusal("hello, this is no picture"u8.ToArray()), StringComparison.Ordinal);

    [Fact]
    public void Another_format_is_refused_by_name()
    {
        byte[] gif = [.. "GIF89a"u8, 1, 0, 1, 0, 0x80, 0, 0, 0, 0, 0, 255, 255, 255, 0x2C, 0, 0, 0, 0, 1, 0, 1, 0, 0, 2, 2, 0x44, 1, 0, 0x3B];

        Assert.Contains("GIF", Refusal(gif), StringComparison.Ordinal);
    }

    [Fact]
    public void A_bomb_of_100000_by_100000_pixels_is_refused_before_memory_is_taken()
    {
        var bomb = PictureFiles.PngClaiming(100_000, 100_000);
        var before = GC.GetTotalAllocatedBytes(precise: true);

        var message = Refusal(bomb);

        Assert.Contains("100000 × 100000", message, StringComparison.Ordinal);
        Assert.InRange(GC.GetTotalAllocatedBytes(precise: true) - before, 0, 1_000_000);
    }

    [Fact]
    public void A_cut_off_picture_is_refused()
    {
        var whole = Encode(64, 64, SKEncodedImageFormat.Jpeg);

        Assert.Contains("cut off", Refusal(whole[..(whole.Length / 2)]), StringComparison.Ordinal);
    }

    [Fact]
    public void A_damaged_picture_is_refused_in_plain_words()
    {
        var whole = Encode(64, 64, SKEncodedImageFormat.Png);
        var damaged = whole.ToArray();
        Array.Fill(damaged, (byte)0x55, whole.Length / 2, 40);

        var message = Refusal(damaged);

        Assert.Contains("damaged", message, StringComparison.Ordinal);
        Assert.DoesNotContain("ErrorInInput", message, StringComparison.Ordinal);
    }

    [Fact]
    public void An_animated_webp_is_refused() => Assert.Contains("animated", Refusal(PictureFiles.AnimatedWebp()), StringComparison.Ordinal);

    [Fact]
    public void An_animated_png_is_refused() =>
        Assert.Contains("animated", Refusal(PictureFiles.Animate(Encode(4, 4, SKEncodedImageFormat.Png))), StringComparison.Ordinal);

    [Fact]
    public void A_size_that_may_not_be_scaled_is_refused_with_both_sizes()
    {
        var image = Decoding.Whole(Encode(30, 20, SKEncodedImageFormat.Png));

        var refused = Assert.Throws<PictureException>(() => PictureFitting.Fit(image, PictureFit.None, 28, 28, 0));

        Assert.Contains("30 × 20", refused.Message, StringComparison.Ordinal);
        Assert.Contains("28 × 28", refused.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(SKEncodedImageFormat.Png)]
    [InlineData(SKEncodedImageFormat.Jpeg)]
    [InlineData(SKEncodedImageFormat.Webp)]
    public void Supported_formats_decode(SKEncodedImageFormat format)
    {
        var image = Decoding.Whole(Encode(30, 20, format));

        Assert.Equal((30, 20, 3), (image.Width, image.Height, image.Channels));
    }

    [Theory]
    [InlineData(SKEncodedImageFormat.Png)]
    [InlineData(SKEncodedImageFormat.Webp)]
    public void Formats_without_loss_keep_every_pixel(SKEncodedImageFormat format)
    {
        using var bitmap = Bitmap(30, 20);
        using var pixmap = bitmap.PeekPixels();
        using var data = format == SKEncodedImageFormat.Webp ? pixmap.Encode(new SKWebpEncoderOptions(SKWebpEncoderCompression.Lossless, 100)) : pixmap.Encode(format, 100);
        Assert.NotNull(data);

        var image = Decoding.Whole(data.ToArray());

        for (var i = 0; i < 30 * 20; i++)
        {
            var (x, y) = (i % 30, i / 30);
            Assert.Equal([(byte)(x * 8), (byte)(y * 8), (byte)((x * y) + 3)], image.Pixels[(i * 3)..((i * 3) + 3)]);
        }
    }

    [Fact]
    public void Transparent_pixels_lie_on_white()
    {
        using var bitmap = new SKBitmap(new SKImageInfo(2, 1, SKColorType.Rgba8888, SKAlphaType.Unpremul));
        bitmap.SetPixel(0, 0, new SKColor(200, 100, 0, 0));
        bitmap.SetPixel(1, 0, new SKColor(0, 0, 0, 128));
        using var data = bitmap.Encode(SKEncodedImageFormat.Png, 100);

        var image = Decoding.Whole(data.ToArray());

        Assert.Equal([255, 255, 255, 127, 127, 127], image.Pixels);
    }

    private static string Refusal(byte[] body) => Assert.Throws<PictureException>(() => Decoding.Whole(body)).Message;

    private static byte[] Encode(int width, int height, SKEncodedImageFormat format)
    {
        using var bitmap = Bitmap(width, height);
        using var data = bitmap.Encode(format, 100);
        return data.ToArray();
    }

    private static SKBitmap Bitmap(int width, int height)
    {
        var bitmap = new SKBitmap(width, height);
        for (var y = 0; y < height; y++)
        {
            for (var x = 0; x < width; x++)
            {
                bitmap.SetPixel(x, y, new SKColor((byte)(x * 8), (byte)(y * 8), (byte)((x * y) + 3)));
            }
        }

        return bitmap;
    }
}
