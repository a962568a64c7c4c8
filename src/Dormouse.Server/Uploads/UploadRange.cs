using System.Globalization;
using Dormouse.Protocol;
using Microsoft.AspNetCore.Http;
using Microsoft.Net.Http.Headers;

namespace Dormouse.Server.Uploads;

/// <summary>Which part of a file a request carries.</summary>
/// <param name="Offset">Where in the file its body begins.</param>
/// <param name="SizeBytes">Size of the whole file.</param>
internal readonly record struct UploadRange(long Offset, long SizeBytes)
{
    public const string LengthHeader = "Upload-Length";

    /// <summary>
    /// Three forms: <c>Content-Range: bytes a-b/total</c>, <c>Upload-Offset</c> with <c>Upload-Length</c>, or neither: the body is the whole file and its length is known.
    /// </summary>
    /// <param name="refusal">A sentence when the headers do not fit together.</param>
    public static UploadRange? Read(HttpRequest request, out string refusal)
    {
        refusal = "";
        if (request.Headers.ContentRange.Count > 0)
        {
            return FromContentRange(request, ref refusal);
        }

        if (request.Headers.ContainsKey(DormouseHeaders.UploadOffset) || request.Headers.ContainsKey(LengthHeader))
        {
            return FromUploadHeaders(request, ref refusal);
        }

        if (request.ContentLength is { } length)
        {
            return new UploadRange(0, length);
        }

        refusal = $"The size of the file is not known: send Content-Length, Content-Range, or {DormouseHeaders.UploadOffset} and {LengthHeader}.";
        return null;
    }

    private static UploadRange? FromContentRange(HttpRequest request, ref string refusal)
    {
        if (!ContentRangeHeaderValue.TryParse(request.Headers.ContentRange.ToString(), out var range)
            || range is not { From: { } from, To: { } to, Length: { } size } || range.Unit != "bytes")
        {
            refusal = "Content-Range must be 'bytes first-last/size' with three numbers.";
            return null;
        }

        if (request.ContentLength is { } length && length != to - from + 1)
        {
            refusal = $"Content-Range names {to - from + 1} bytes, Content-Length {length}.";
            return null;
        }

        return new UploadRange(from, size);
    }

    private static UploadRange? FromUploadHeaders(HttpRequest request, ref string refusal)
    {
        if (Number(request, DormouseHeaders.UploadOffset) is not { } offset || Number(request, LengthHeader) is not { } size || offset > size)
        {
            refusal = $"{DormouseHeaders.UploadOffset} and {LengthHeader} must both be numbers, the offset not above the length.";
            return null;
        }

        if (request.ContentLength is { } length && length > size - offset)
        {
            refusal = $"The body has {length} bytes; from byte {offset} of {size} only {size - offset} are left.";
            return null;
        }

        return new UploadRange(offset, size);
    }

    private static long? Number(HttpRequest request, string header) =>
        long.TryParse(request.Headers[header].ToString(), NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number : null;
}
