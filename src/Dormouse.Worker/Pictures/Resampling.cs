namespace Dormouse.Worker.Pictures;

/// <summary>
/// Bilinear resizing with an antialiased triangle filter: each output pixel is the weighted mean of all input pixels under a triangle as wide as
/// the scale (at least one pixel). It is what Pillow calls BILINEAR and what most training pipelines use; graphics libraries' "linear" looks at
/// four pixels only and differs by up to a hundred grey levels when shrinking.
/// </summary>
internal static class Resampling
{
    /// <summary>Fixed-point bits of a weight; a row of weights sums to 1 within rounding.</summary>
    private const int WeightBits = 22;

    /// <summary>Scales the rectangle <paramref name="source"/> of the image to <paramref name="width"/> × <paramref name="height"/>.</summary>
    /// <param name="image">1 or 3 channels.</param>
    /// <param name="source">Part of the image in pixels, may be fractional; within the image.</param>
    /// <returns>The scaled image; intermediate rows are rounded to 8 bits, as Pillow does.</returns>
    public static PixelImage Resize(PixelImage image, SourceBox source, int width, int height)
    {
        var isWhole = source.Left == 0 && source.Top == 0 && source.Width == image.Width && source.Height == image.Height;
        if (isWhole && width == image.Width && height == image.Height)
        {
            return image;
        }

        var columns = Weights.Make(image.Width, source.Left, source.Width, width);
        var rows = Weights.Make(image.Height, source.Top, source.Height, height);

        // Only the input rows that some output row needs are scaled horizontally.
        var firstRow = rows.First[0];
        var lastRow = rows.First[height - 1] + rows.Count[height - 1];
        var channels = image.Channels;
        var narrowed = GC.AllocateUninitializedArray<byte>(width * (lastRow - firstRow) * channels);
        for (var y = firstRow; y < lastRow; y++)
        {
            var from = image.Pixels.AsSpan(y * image.Width * channels, image.Width * channels);
            var to = narrowed.AsSpan((y - firstRow) * width * channels, width * channels);
            for (var x = 0; x < width; x++)
            {
                var weights = columns.Row(x);
                var start = columns.First[x] * channels;
                for (var c = 0; c < channels; c++)
                {
                    to[(x * channels) + c] = Mean(from, start + c, channels, weights);
                }
            }
        }

        var scaled = GC.AllocateUninitializedArray<byte>(width * height * channels);
        var stride = width * channels;
        for (var y = 0; y < height; y++)
        {
            var weights = rows.Row(y);
            var start = (rows.First[y] - firstRow) * stride;
            for (var i = 0; i < stride; i++)
            {
                scaled[(y * stride) + i] = Mean(narrowed, start + i, stride, weights);
            }
        }

        return new PixelImage(scaled, width, height, channels);
    }

    private static byte Mean(ReadOnlySpan<byte> pixels, int start, int step, ReadOnlySpan<int> weights)
    {
        var sum = 1L << (WeightBits - 1);
        foreach (var weight in weights)
        {
            sum += (long)pixels[start] * weight;
            start += step;
        }

        return (byte)Math.Clamp(sum >> WeightBits, 0, 255);
    }

    /// <summary>For each output position: the first input position and its weights.</summary>
    private sealed class Weights
    {
        private readonly int[] _weights;
        private readonly int _stride;

        private Weights(int outputs, int stride)
        {
            First = new int[outputs];
            Count = new int[outputs];
            _weights = new int[outputs * stride];
            _stride = stride;
        }

        public int[] First { get; }

        public int[] Count { get; }

        public ReadOnlySpan<int> Row(int output) => _weights.AsSpan(output * _stride, Count[output]);

        public static Weights Make(int inputs, double offset, double length, int outputs)
        {
            var scale = length / outputs;
            var support = Math.Max(scale, 1);
            var made = new Weights(outputs, ((int)Math.Ceiling(support) * 2) + 1);
            Span<double> raw = new double[made._stride];
            for (var i = 0; i < outputs; i++)
            {
                var centre = offset + ((i + 0.5) * scale);
                var first = Math.Max((int)(centre - support + 0.5), 0);
                var count = Math.Min((int)(centre + support + 0.5), inputs) - first;
                var total = 0.0;
                for (var k = 0; k < count; k++)
                {
                    raw[k] = Math.Max(0, 1 - Math.Abs((k + first - centre + 0.5) / support));
                    total += raw[k];
                }

                made.First[i] = first;
                made.Count[i] = count;
                for (var k = 0; k < count; k++)
                {
                    made._weights[(i * made._stride) + k] = (int)Math.Round(raw[k] / total * (1 << WeightBits), MidpointRounding.AwayFromZero);
                }
            }

            return made;
        }
    }
}

/// <summary>A rectangle of an image in pixels, may be fractional.</summary>
internal readonly record struct SourceBox(double Left, double Top, double Width, double Height);
