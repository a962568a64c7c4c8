namespace Dormouse.Protocol;

/// <summary>Media type of a file by its first bytes, else by its name.</summary>
public static class MediaTypes
{
    /// <summary>Of JSON.</summary>
    public const string Json = "application/json";
    /// <summary>Of anything.</summary>
    public const string Bytes = "application/octet-stream";

    /// <summary>Bytes of the head that <see cref="Of"/> looks at.</summary>
    public const int HeadLength = 12;

    public static string Of(ReadOnlySpan<byte> head, string name) => head switch
    {
        [0x89, 0x50, 0x4E, 0x47, ..] => "image/png",
        [0xFF, 0xD8, 0xFF, ..] => "image/jpeg",
        [0x47, 0x49, 0x46, 0x38, ..] => "image/gif",
        [0x42, 0x4D, ..] when HasExtension(name, ".bmp") => "image/bmp",
        [0x52, 0x49, 0x46, 0x46, _, _, _, _, 0x57, 0x45, 0x42, 0x50, ..] => "image/webp",
        [0x52, 0x49, 0x46, 0x46, _, _, _, _, 0x57, 0x41, 0x56, 0x45, ..] => "audio/wav",
        _ => OfName(name),
    };

    private static string OfName(string name) => Path.GetExtension(name).ToLowerInvariant() switch
    {
        ".json" => Json,
        ".txt" or ".md" => "text/plain; charset=utf-8",
        ".csv" => "text/csv",
        ".html" => "text/html",
        ".xml" => "application/xml",
        ".png" => "image/png",
        ".jpg" or ".jpeg" => "image/jpeg",
        ".bmp" => "image/bmp",
        ".webp" => "image/webp",
        ".wav" => "audio/wav",
        ".mp3" => "audio/mpeg",
        ".flac" => "audio/flac",
        ".pdf" => "application/pdf",
        _ => Bytes,
    };

    private static bool HasExtension(string name, string extension) => name.EndsWith(extension, StringComparison.OrdinalIgnoreCase);
}
