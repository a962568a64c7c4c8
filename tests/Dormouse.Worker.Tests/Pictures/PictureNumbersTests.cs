using Dormouse.Protocol.Signatures;
using Dormouse.Worker.Pictures;

namespace Dormouse.Worker.Tests.Pictures;

/// <summary>The numbers that reach the model, against tensors made by other people's tools.</summary>
public sealed class PictureNumbersTests
{
    [Theory]
    [InlineData("cat_720p.jpg", "inputs/tensors/cat_720p_224x224_rgb.u8.bin")]
    [InlineData("parrot.jpg", "inputs/tensors/parrot_224x224_rgb.u8.bin")]
    [InlineData("hot_dog.jpg", "inputs/tensors/hot_dog_224x224_rgb.u8.bin")]
    public void Stretched_photographs_equal_the_reference_to_one_grey_level(string picture, string expected)
    {
        var reference = File.ReadAllBytes(SharedPictures.Path(expected));

        var fitted = PictureFitting.Fit(Decode(picture), PictureFit.Stretch, 224, 224, 0);

        Assert.Equal((224, 224, 3), (fitted.Width, fitted.Height, fitted.Channels));
        AssertClose(reference, fitted.Pixels, 1);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(3)]
    [InlineData(5)]
    [InlineData(7)]
    public void Grey_digits_equal_the_reference_to_one_grey_level(int digit)
    {
        var reference = File.ReadAllBytes(SharedPictures.Path($"onnx/mnist/case_digit{digit}_Input3.u8.bin"));

        var grey = PictureFitting.Grey(Decode($"digit_{digit}.jpg"));

        AssertClose(reference, grey.Pixels, 1);
    }

    [Theory]
    [InlineData("pets.jpg", "onnx/yolox-nano/case_pets_images.u8.bin")]
    [InlineData("cat_720p.jpg", "onnx/yolox-nano/case_cat_720p_images.u8.bin")]
    public void Letterboxed_photographs_equal_the_reference_to_one_grey_level(string picture, string expected)
    {
        var reference = File.ReadAllBytes(SharedPictures.Path(expected));

        var fitted = PictureFitting.Fit(Decode(picture), PictureFit.Letterbox, 416, 416, 114);

        // The reference is BGR in planes.
        var planes = new byte[fitted.Pixels.Length];
        for (var i = 0; i < 416 * 416; i++)
        {
            for (var c = 0; c < 3; c++)
            {
                planes[((2 - c) * 416 * 416) + i] = fitted.Pixels[(i * 3) + c];
            }
        }

        AssertClose(reference, planes, 1);
    }

    [Fact]
    public void A_bitmap_equals_the_reference_to_one_grey_level()
    {
        var reference = File.ReadAllBytes(SharedPictures.Path("onnx/ultraface-rfb-320/case_grace_hopper_input.u8.bin"));

        var fitted = PictureFitting.Fit(Decode("grace_hopper.bmp"), PictureFit.Stretch, 320, 240, 0);

        var planes = new byte[fitted.Pixels.Length];
        for (var i = 0; i < 320 * 240; i++)
        {
            for (var c = 0; c < 3; c++)
            {
                planes[(c * 320 * 240) + i] = fitted.Pixels[(i * 3) + c];
            }
        }

        AssertClose(reference, planes, 1);
    }

    [Theory]
    [InlineData(6, 2, 2, 2)]
    [InlineData(37, 23, 8, 8)]
    [InlineData(10, 40, 6, 4)]
    [InlineData(5, 4, 12, 6)]
    [InlineData(7, 7, 7, 7)]
    public void The_middle_is_cut_out_and_scaled_as_the_formula_says(int width, int height, int wantedWidth, int wantedHeight)
    {
        var pixels = new byte[width * height * 3];
        for (var i = 0; i < pixels.Length; i++)
        {
            pixels[i] = (byte)((i * 37) + (i * i % 101));
        }

        var fitted = PictureFitting.Fit(new PixelImage(pixels, width, height, 3), PictureFit.Crop, wantedWidth, wantedHeight, 0);

        // The largest middle part of the target's proportions; each new pixel the mean under a triangle as wide as the scale, in doubles and without rounding between.
        var ratio = Math.Max((double)wantedWidth / width, (double)wantedHeight / height);
        var (boxWidth, boxHeight) = (wantedWidth / ratio, wantedHeight / ratio);
        var expected = new byte[wantedWidth * wantedHeight * 3];
        for (var i = 0; i < expected.Length; i++)
        {
            var (x, y, channel) = (i / 3 % wantedWidth, i / 3 / wantedWidth, i % 3);
            var (sum, total) = (0.0, 0.0);
            for (var k = 0; k < width * height; k++)
            {
                var weight = Triangle(k % width, x, (width - boxWidth) / 2, 1 / ratio) * Triangle(k / width, y, (height - boxHeight) / 2, 1 / ratio);
                sum += weight * pixels[(k * 3) + channel];
                total += weight;
            }

            expected[i] = (byte)Math.Round(sum / total);
        }

        Assert.Equal((wantedWidth, wantedHeight, 3), (fitted.Width, fitted.Height, fitted.Channels));
        AssertClose(expected, fitted.Pixels, ratio == 1 ? 0 : 1);
    }

    /// <summary>Weight of input pixel <paramref name="from"/> for output pixel <paramref name="to"/>.</summary>
    private static double Triangle(int from, int to, double offset, double scale) =>
        Math.Max(0, 1 - (Math.Abs(from + 0.5 - offset - ((to + 0.5) * scale)) / Math.Max(scale, 1)));

    private static PixelImage Decode(string picture) =>
        Decoding.Whole(File.ReadAllBytes(SharedPictures.Path("inputs/images/" + picture)));

    private static void AssertClose(byte[] expected, byte[] actual, int tolerance)
    {
        Assert.Equal(expected.Length, actual.Length);
        var worst = 0;
        var over = 0;
        for (var i = 0; i < expected.Length; i++)
        {
            var difference = Math.Abs(expected[i] - actual[i]);
            worst = Math.Max(worst, difference);
            over += difference > tolerance ? 1 : 0;
        }

        Assert.True(worst <= tolerance, $"The worst difference is {worst} grey levels; {over} of {expected.Length} values are more than {tolerance} away.");
    }
}
