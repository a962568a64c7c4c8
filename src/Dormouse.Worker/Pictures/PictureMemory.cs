namespace Dormouse.Worker.Pictures;

/// <summary>
/// How much of an instance's memory pictures may take while they are decoded. One picture may have as many pixels as fit into a quarter of it. Those that take
/// more than their share of that quarter are decoded one after the other, so that all runs together stay below half of the memory.
/// </summary>
/// <param name="concurrency">Runs, and so pictures, at once.</param>
internal sealed class PictureMemory(int memoryMib, int concurrency)
{
    /// <summary>Most pixels of a picture, whatever the memory: 40 million.</summary>
    private const long PixelsCap = 40_000_000;

    private const int MemoryShare = 4;

    /// <summary>Four as they are decoded, three upright, one grey.</summary>
    private const int BytesPerPixel = 8;

    public int MemoryMib => memoryMib;

    /// <summary>Most pixels of a picture.</summary>
    public long PixelsMax { get; } = Math.Min(PixelsCap, ((long)memoryMib << 20) / MemoryShare / BytesPerPixel);

    /// <summary>Whoever decodes a picture for which <see cref="IsLarge"/> holds has this.</summary>
    public Lock LargeLock { get; } = new();

    public bool IsLarge(long pixels) => pixels > PixelsMax / concurrency;
}
