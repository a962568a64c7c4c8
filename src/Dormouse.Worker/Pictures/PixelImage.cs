namespace Dormouse.Worker.Pictures;

/// <summary>Decoded pixels, 8 bits a channel, row-major and interleaved, upright.</summary>
/// <param name="Pixels">Exactly <paramref name="Width"/> × <paramref name="Height"/> × <paramref name="Channels"/> bytes.</param>
/// <param name="Channels">1 (grey) or 3 (red, green, blue).</param>
internal readonly record struct PixelImage(byte[] Pixels, int Width, int Height, int Channels);
