using System.Buffers.Binary;
using System.Globalization;
using System.Runtime.InteropServices;
using SkiaSharp;

namespace Dormouse.Worker.Pictures;

/// <summary>
/// Encoded bytes to upright pixels. The header is read first: what is not a still JPEG, PNG, BMP or WebP, or has too many pixels, is refused
/// before memory is taken for it. Transparent pixels lie on white. Colour profiles are not applied: models are trained on plain values.
/// </summary>
internal sealed class PictureDecoder : IDisposable
{
    private readonly SKData _data;
    private readonly SKCodec _codec;

    private PictureDecoder(SKData data, SKCodec codec) => (_data, _codec) = (data, codec);

    /// <summary>Pixels that the header promises.</summary>
    public long Pixels => (long)_codec.Info.Width * _codec.Info.Height;

    /// <summary>Reads the header.</summary>
    /// <exception cref="PictureException">It is no picture, not a still one, or too large.</exception>
    public static PictureDecoder Open(ReadOnlySpan<byte> encoded, PictureMemory memory)
    {
        if (encoded.IsEmpty)
        {
            throw new PictureException("The body is empty; send a JPEG, PNG, BMP or WebP picture.");
        }

        var data = SKData.CreateCopy(encoded);
        var codec = SKCodec.Create(data);
        if (codec is null)
        {
            data.Dispose();
            throw new PictureException("The body is not a picture that can be read; send a JPEG, PNG, BMP or WebP picture.");
        }

        var opened = new PictureDecoder(data, codec);
        try
        {
            opened.CheckHeader(encoded, memory);
            return opened;
        }
        catch
        {
            opened.Dispose();
            throw;
        }
    }

    /// <exception cref="PictureException">It is damaged.</exception>
    public PixelImage Decode()
    {
        var info = new SKImageInfo(_codec.Info.Width, _codec.Info.Height, SKColorType.Rgba8888, SKAlphaType.Unpremul, null);
        var pixels = GC.AllocateUninitializedArray<byte>(checked(info.Width * info.Height * 4));
        SKCodecResult result;
        var pinned = GCHandle.Alloc(pixels, GCHandleType.Pinned);
        try
        {
            result = _codec.GetPixels(info, pinned.AddrOfPinnedObject());
        }
        finally
        {
            pinned.Free();
        }

        if (result != SKCodecResult.Success)
        {
            throw new PictureException(result switch
            {
                SKCodecResult.IncompleteInput => "The picture is cut off: its data ends early. Send the whole file.",
                SKCodecResult.InvalidConversion or SKCodecResult.Unimplemented => "The picture has a kind of colours or compression that cannot be decoded; save it as a usual RGB or grey picture.",
                _ => "The picture is damaged and cannot be decoded: what follows its header does not fit. Save it anew.",
            });
        }

        return Upright(pixels, info.Width, info.Height, _codec.EncodedOrigin);
    }

    public void Dispose()
    {
        _codec.Dispose();
        _data.Dispose();
    }

    private void CheckHeader(ReadOnlySpan<byte> encoded, PictureMemory memory)
    {
        if (_codec.EncodedFormat is not (SKEncodedImageFormat.Jpeg or SKEncodedImageFormat.Png or SKEncodedImageFormat.Bmp or SKEncodedImageFormat.Webp))
        {
            throw new PictureException($"The picture is in the format {_codec.EncodedFormat.ToString().ToUpperInvariant()}; send JPEG, PNG, BMP or WebP.");
        }

        if (_codec.FrameCount > 1 || (_codec.EncodedFormat == SKEncodedImageFormat.Png && IsAnimatedPng(encoded)))
        {
            throw new PictureException("The picture is animated; send a still picture.");
        }

        if (Pixels > memory.PixelsMax)
        {
            throw new PictureException(string.Create(
                CultureInfo.InvariantCulture,
                $"The picture has {_codec.Info.Width} × {_codec.Info.Height} = {Pixels} pixels; at most {memory.PixelsMax} are allowed in an instance of {memory.MemoryMib} MiB. Send a smaller one, or deploy with more --memory."));
        }
    }

    /// <summary>An animated PNG shows its first frame to decoders that do not know animation; it has an acTL chunk before the first IDAT.</summary>
    private static bool IsAnimatedPng(ReadOnlySpan<byte> encoded)
    {
        var rest = encoded[8..];
        while (rest.Length >= 12)
        {
            var type = rest.Slice(4, 4);
            if (type.SequenceEqual("acTL"u8))
            {
                return true;
            }

            var length = BinaryPrimitives.ReadUInt32BigEndian(rest);
            if (type.SequenceEqual("IDAT"u8) || length > (uint)(rest.Length - 12))
            {
                return false;
            }

            rest = rest[(12 + (int)length)..];
        }

        return false;
    }

    /// <summary>Drops alpha (over white) and turns the picture as its EXIF orientation says.</summary>
    private static PixelImage Upright(byte[] rgba, int width, int height, SKEncodedOrigin origin)
    {
        var swaps = origin is SKEncodedOrigin.LeftTop or SKEncodedOrigin.RightTop or SKEncodedOrigin.RightBottom or SKEncodedOrigin.LeftBottom;
        var (outWidth, outHeight) = swaps ? (height, width) : (width, height);
        var rgb = GC.AllocateUninitializedArray<byte>(outWidth * outHeight * 3);
        for (var y = 0; y < outHeight; y++)
        {
            for (var x = 0; x < outWidth; x++)
            {
                var (sourceX, sourceY) = origin switch
                {
                    SKEncodedOrigin.TopRight => (width - 1 - x, y),
                    SKEncodedOrigin.BottomRight => (width - 1 - x, height - 1 - y),
                    SKEncodedOrigin.BottomLeft => (x, height - 1 - y),
                    SKEncodedOrigin.LeftTop => (y, x),
                    SKEncodedOrigin.RightTop => (y, height - 1 - x),
                    SKEncodedOrigin.RightBottom => (width - 1 - y, height - 1 - x),
                    SKEncodedOrigin.LeftBottom => (width - 1 - y, x),
                    _ => (x, y),
                };
                var from = rgba.AsSpan(((sourceY * width) + sourceX) * 4, 4);
                var to = rgb.AsSpan(((y * outWidth) + x) * 3, 3);
                var alpha = from[3];
                if (alpha == 255)
                {
                    from[..3].CopyTo(to);
                    continue;
                }

                for (var c = 0; c < 3; c++)
                {
                    to[c] = (byte)(((from[c] * alpha) + (255 * (255 - alpha)) + 127) / 255);
                }
            }
        }

        return new PixelImage(rgb, outWidth, outHeight, 3);
    }
}
