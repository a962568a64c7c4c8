using System.Globalization;
using Dormouse.Core.Batches;
using Dormouse.Protocol;
using Dormouse.Protocol.Problems;

namespace Dormouse.Server.Batches.Inputs;

/// <summary>A file as one item: its bytes, sent as what its first bytes or its name say that it is.</summary>
internal static class FileItem
{
    public static async ValueTask<InputPiece> ReadAsync(string name, Stream? content, long bytes, int bytesMax, string mark, long readBytes, CancellationToken cancellationToken)
    {
        if (bytes == 0 || content is null)
        {
            return new InputPiece.Broken(name, new ItemFault(ProblemCode.InputInvalid.Code, "The file is empty."), mark, readBytes);
        }

        if (bytes > bytesMax)
        {
            return new InputPiece.Broken(
                name, new ItemFault(ProblemCode.BodyTooLarge.Code, string.Create(CultureInfo.InvariantCulture, $"The file has {bytes} bytes, more than the {bytesMax} that are queued (queues.body_limit).")), mark, readBytes);
        }

        var body = new byte[bytes];
        await content.ReadExactlyAsync(body, cancellationToken);
        return new InputPiece.Request(name, body, MediaTypes.Of(body.AsSpan(0, Math.Min(body.Length, MediaTypes.HeadLength)), name), mark, readBytes);
    }

    /// <summary>What systems leave in folders.</summary>
    public static bool IsHidden(string path) => path.Split('/').Any(p => p.StartsWith('.'));
}
