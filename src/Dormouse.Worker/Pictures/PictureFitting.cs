using Dormouse.Protocol.Signatures;

namespace Dormouse.Worker.Pictures;

/// <summary>Brings an upright picture to the size and channels a signature asks for.</summary>
internal static class PictureFitting
{
    /// <summary>Red, green and blue to one grey value with the weights of ITU-R BT.601, 16-bit fixed point: (19595 R + 38470 G + 7471 B + ½) ÷ 65536.</summary>
    public static PixelImage Grey(PixelImage image)
    {
        var grey = GC.AllocateUninitializedArray<byte>(image.Width * image.Height);
        for (var i = 0; i < grey.Length; i++)
        {
            var rgb = image.Pixels.AsSpan(i * 3, 3);
            grey[i] = (byte)(((rgb[0] * 19595) + (rgb[1] * 38470) + (rgb[2] * 7471) + 0x8000) >> 16);
        }

        return new PixelImage(grey, image.Width, image.Height, 1);
    }

    /// <exception cref="PictureException">The rule is "none" and the size differs.</exception>
    public static PixelImage Fit(PixelImage image, PictureFit fit, int width, int height, byte padding)
    {
        var whole = new SourceBox(0, 0, image.Width, image.Height);
        switch (fit)
        {
            case PictureFit.None when image.Width != width || image.Height != height:
                throw new PictureException($"The picture is {image.Width} × {image.Height}; this model takes {width} × {height} only.");
            case PictureFit.Crop:
                return Resampling.Resize(image, Middle(image, width, height), width, height);
            case PictureFit.Letterbox:
                var ratio = Math.Min((double)width / image.Width, (double)height / image.Height);
                var inner = Resampling.Resize(
                    image, whole, Math.Clamp((int)(image.Width * ratio), 1, width), Math.Clamp((int)(image.Height * ratio), 1, height));
                return Pad(inner, width, height, padding);
            default:
                return Resampling.Resize(image, whole, width, height);
        }
    }

    /// <summary>The largest middle part with the target's proportions.</summary>
    private static SourceBox Middle(PixelImage image, int width, int height)
    {
        var ratio = Math.Max((double)width / image.Width, (double)height / image.Height);
        var (boxWidth, boxHeight) = (Math.Min(width / ratio, image.Width), Math.Min(height / ratio, image.Height));
        return new SourceBox((image.Width - boxWidth) / 2, (image.Height - boxHeight) / 2, boxWidth, boxHeight);
    }

    private static PixelImage Pad(PixelImage inner, int width, int height, byte padding)
    {
        var padded = new byte[width * height * inner.Channels];
        Array.Fill(padded, padding);
        var rowBytes = inner.Width * inner.Channels;
        for (var y = 0; y < inner.Height; y++)
        {
            inner.Pixels.AsSpan(y * rowBytes, rowBytes).CopyTo(padded.AsSpan(y * width * inner.Channels));
        }

        return inner with { Pixels = padded, Width = width, Height = height };
    }
}
