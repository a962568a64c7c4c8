using System.Net.Http.Headers;
using Dormouse.Worker.Tests.Support;

namespace Dormouse.EndToEnd.Tests.Hostile;

/// <summary>Pictures that cannot be used, to the bundled model.</summary>
public sealed class PictureTests(HostileServer hostile) : HostileTests(hostile)
{
    [Fact]
    public Task Text_is_no_picture() => RefusedAsync("hello, this is no picture"u8.ToArray(), "not a picture");

    [Fact]
    public Task An_empty_body_is_no_picture() => RefusedAsync([], "empty");

    [Fact]
    public Task A_bomb_of_100000_by_100000_pixels_is_refused() => RefusedAsync(PictureFiles.PngClaiming(100_000, 100_000), "100000 × 100000");

    [Fact]
    public Task A_picture_that_was_cut_off_is_refused() => RefusedAsync(PictureFiles.PngClaiming(64, 64), "cut off");

    [Fact]
    public Task An_animated_PNG_is_refused() => RefusedAsync(PictureFiles.Animate(PictureFiles.PngClaiming(8, 8)), "animated");

    [Fact]
    public Task An_animated_WebP_is_refused() => RefusedAsync(PictureFiles.AnimatedWebp(), "animated");

    [Fact]
    public Task Another_format_is_refused_by_name() =>
        RefusedAsync([.. "GIF89a"u8, 1, 0, 1, 0, 0x80, 0, 0, 0, 0, 0, 255, 255, 255, 0x2C, 0, 0, 0, 0, 1, 0, 1, 0, 0, 2, 2, 0x44, 1, 0, 0x3B], "GIF");

    [Fact]
    public async Task A_picture_to_a_model_without_a_signature_is_refused_with_what_to_do()
    {
        var content = new ByteArrayContent(PictureFiles.PngClaiming(8, 8));
        await Refusal.AssertAsync(await Server.Http.PostAsync(new Uri("/invoke/neighbour", UriKind.Relative), content, Cancelled), 404, "route_not_found", "no signature");
    }

    private async Task RefusedAsync(byte[] picture, params string[] words)
    {
        await DeployPicturesAsync();
        var content = new ByteArrayContent(picture);
        content.Headers.ContentType = new MediaTypeHeaderValue("image/png");
        await Refusal.AssertAsync(await Server.Http.PostAsync(new Uri("/invoke/pictures", UriKind.Relative), content, Cancelled), 422, "picture_invalid", words);
    }
}
