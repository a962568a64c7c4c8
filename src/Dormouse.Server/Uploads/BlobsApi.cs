using System.Globalization;
using Dormouse.Core.Packages;
using Dormouse.Protocol;
using Dormouse.Protocol.Control;
using Dormouse.Protocol.Problems;
using Dormouse.Server.Control;
using Dormouse.Server.Errors;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;

namespace Dormouse.Server.Uploads;

/// <summary><c>/api/v1/blobs/{sha256}</c>: content-addressed files, resumable. A file that is there is never sent twice; bodies stream to the store.</summary>
internal sealed class BlobsApi(IBlobStore blobs)
{
    /// <summary>200 when complete, else 404; both say with <c>Upload-Offset</c> how much is here.</summary>
    public async Task HeadAsync(ControlCall call)
    {
        if (await HashAsync(call) is not { } hash)
        {
            return;
        }

        var status = await blobs.StatusAsync(call.Tenant, hash, call.Cancellation);
        SetOffset(call, status.SizeBytes);
        call.Http.Response.StatusCode = status.IsComplete ? StatusCodes.Status200OK : StatusCodes.Status404NotFound;
    }

    public async Task PutAsync(ControlCall call)
    {
        if (await HashAsync(call) is not { } hash)
        {
            return;
        }

        if (UploadRange.Read(call.Http.Request, out var refusal) is not { } range)
        {
            await call.RefuseAsync(refusal);
            return;
        }

        // A model may be larger than any invocation's body; the store has a bound of its own.
        if (call.Http.Features.Get<IHttpMaxRequestBodySizeFeature>() is { IsReadOnly: false } limit)
        {
            limit.MaxRequestBodySize = null;
        }

        if ((await blobs.StatusAsync(call.Tenant, hash, call.Cancellation)) is { IsComplete: true } known)
        {
            await AnswerAsync(call, hash, known.SizeBytes, known.SizeBytes, StatusCodes.Status201Created);
            return;
        }

        await AppendAsync(call, hash, range);
    }

    private async Task AppendAsync(ControlCall call, BlobHash hash, UploadRange range)
    {
        switch (await blobs.AppendAsync(call.Tenant, hash, range.SizeBytes, range.Offset, call.Http.Request.Body, call.Cancellation))
        {
            case BlobAppend.Complete:
                await AnswerAsync(call, hash, range.SizeBytes, range.SizeBytes, StatusCodes.Status201Created);
                break;

            case BlobAppend.Partial partial:
                await AnswerAsync(call, hash, partial.Offset, range.SizeBytes, StatusCodes.Status202Accepted);
                break;

            case BlobAppend.WrongOffset wrong:
                SetOffset(call, wrong.Offset);
                await Problems.WriteAsync(
                    call.Http, ProblemCode.UploadOffsetWrong,
                    $"The request begins at byte {range.Offset}; {wrong.Offset} bytes of the file are here. Go on at byte {wrong.Offset}.");
                break;

            case BlobAppend.WrongHash wrong:
                await Problems.WriteAsync(
                    call.Http, ProblemCode.UploadHashWrong,
                    $"What arrived has the SHA-256 {wrong.Actual}, not {hash}; it was dropped. Send the file again from its first byte.");
                break;

            case BlobAppend.TooLarge tooLarge:
                await Problems.WriteAsync(
                    call.Http, ProblemCode.BodyTooLarge, $"The file has {range.SizeBytes} bytes; a file may have at most {tooLarge.BytesMax} bytes.");
                break;

            case BlobAppend.NoSpace noSpace:
                SetOffset(call, noSpace.Offset);
                await Problems.WriteAsync(
                    call.Http, ProblemCode.StorageFull,
                    $"The disk is full after byte {noSpace.Offset} of {range.SizeBytes}. What arrived is kept; go on when the operator has made room.");
                break;
        }
    }

    private static async Task AnswerAsync(ControlCall call, BlobHash hash, long offset, long size, int status)
    {
        SetOffset(call, offset);
        await JsonBody.WriteAsync(call.Http, new BlobInfo(hash.Value, size, offset == size), ControlJson.Default.BlobInfo, status);
    }

    private static void SetOffset(ControlCall call, long offset) =>
        call.Http.Response.Headers[DormouseHeaders.UploadOffset] = offset.ToString(CultureInfo.InvariantCulture);

    private static async Task<BlobHash?> HashAsync(ControlCall call)
    {
        var text = call.Route("sha256");
        if (BlobHash.IsValid(text))
        {
            return new BlobHash(text);
        }

        await call.RefuseAsync("A file is addressed by its SHA-256 in 64 lower-case hexadecimal digits.");
        return null;
    }
}
