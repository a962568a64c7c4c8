using System.Globalization;
using System.Net;
using System.Security.Cryptography;
using Dormouse.Protocol;
using Dormouse.Protocol.Control;

namespace Dormouse.Client;

/// <summary>
/// Content-addressed uploads: the server is asked first, gets only the bytes that it lacks, and a broken connection goes on where the server's
/// part ends.
/// </summary>
public sealed class BlobUploader
{
    /// <summary>Tries in a row that bring the server not one byte further before the upload fails.</summary>
    public const int FruitlessTriesMax = 5;

    private static readonly TimeSpan FirstWait = TimeSpan.FromMilliseconds(200);

    private readonly DormouseClient _client;
    private readonly TimeProvider _time;

    internal BlobUploader(DormouseClient client, TimeProvider time)
    {
        _client = client;
        _time = time;
    }

    /// <summary>Hashes a local file, streamed.</summary>
    /// <param name="packagePath">Its path within the package.</param>
    /// <param name="progress">Told each number of bytes hashed.</param>
    public static async Task<PackageFileInfo> HashAsync(string file, string packagePath, IProgress<long>? progress = null, CancellationToken cancellationToken = default)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        using var stream = OpenRead(file);
        var buffer = new byte[128 * 1024];
        var size = 0L;
        while (true)
        {
            var read = await stream.ReadAsync(buffer, cancellationToken).ConfigureAwait(false);
            if (read == 0)
            {
                return new PackageFileInfo(packagePath, Convert.ToHexStringLower(hash.GetHashAndReset()), size);
            }

            hash.AppendData(buffer, 0, read);
            size += read;
            progress?.Report(read);
        }
    }

    /// <summary>Brings one file to the server unless it is there.</summary>
    /// <param name="blob">Hash and size of <paramref name="file"/>, from <see cref="HashAsync"/>.</param>
    /// <param name="progress">Told each number of bytes that the server has more, what it had already included.</param>
    /// <returns>Bytes that had to be sent; 0 when the server had it all.</returns>
    public async Task<long> UploadAsync(string file, PackageFileInfo blob, IProgress<long>? progress = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(blob);
        var position = await StatusAsync(blob, cancellationToken).ConfigureAwait(false);
        var told = new UploadPosition(progress);
        var sent = 0L;
        var fruitless = 0;
        while (!position.IsComplete)
        {
            told.MoveTo(position.Offset);
            var before = position.Offset;
            UploadStatus after;
            try
            {
                after = await SendFromAsync(file, blob, before, told, cancellationToken).ConfigureAwait(false);
            }
            catch (ServerUnreachableException e)
            {
                // The connection broke (or the server restarts): what arrived stays there, so ask where to go on.
                after = await AfterBreakAsync(blob, position, fruitless, e, cancellationToken).ConfigureAwait(false);
            }

            sent += Math.Max(0, after.Offset - before);
            fruitless = after.Offset > before || after.IsComplete ? 0 : fruitless + 1;
            if (fruitless >= FruitlessTriesMax)
            {
                throw new DormouseException(new()
                {
                    Code = "upload_stuck",
                    Title = "The upload does not move on",
                    Detail = $"'{blob.Path}' stays at byte {after.Offset} of {blob.SizeBytes} after {FruitlessTriesMax} tries. Send it again to go on from there.",
                    Retryable = true,
                });
            }

            position = after;
        }

        told.MoveTo(blob.SizeBytes);
        return sent;
    }

    /// <summary>How much of a blob the server has.</summary>
    private async Task<UploadStatus> StatusAsync(PackageFileInfo blob, CancellationToken cancellationToken)
    {
        using var request = new HttpRequestMessage(HttpMethod.Head, Address(blob));
        using var response = await _client.SendAsync(request, cancellationToken).ConfigureAwait(false);
        if (response.StatusCode == HttpStatusCode.NotFound)
        {
            // Not there as a whole; a part may be.
            return new UploadStatus(Offset(response) ?? 0, false);
        }

        await _client.ThrowIfRefusedAsync(response, cancellationToken).ConfigureAwait(false);
        return new UploadStatus(blob.SizeBytes, true);
    }

    private async Task<UploadStatus> SendFromAsync(string file, PackageFileInfo blob, long offset, UploadPosition told, CancellationToken cancellationToken)
    {
        using var stream = OpenRead(file);
        if (stream.Length != blob.SizeBytes)
        {
            throw new IOException($"'{file}' changed while it was sent: it had {blob.SizeBytes} bytes and has {stream.Length} now.");
        }

        stream.Position = offset;
        using var request = new HttpRequestMessage(HttpMethod.Put, Address(blob)) { Content = new FileContent(stream, blob.SizeBytes - offset, told) };
        request.Headers.Add(DormouseHeaders.UploadOffset, offset.ToString(CultureInfo.InvariantCulture));
        request.Headers.Add("Upload-Length", blob.SizeBytes.ToString(CultureInfo.InvariantCulture));
        using var response = await _client.SendAsync(request, cancellationToken).ConfigureAwait(false);
        if (response.StatusCode == HttpStatusCode.Conflict && Offset(response) is { } expected)
        {
            return new UploadStatus(expected, false);
        }

        await _client.ThrowIfRefusedAsync(response, cancellationToken).ConfigureAwait(false);
        var end = Offset(response) ?? blob.SizeBytes;
        return new UploadStatus(end, end == blob.SizeBytes);
    }

    /// <summary>Waits, then asks for the position; a server that stays away for as long as the tries last ends the upload with the break's own reason.</summary>
    private async Task<UploadStatus> AfterBreakAsync(PackageFileInfo blob, UploadStatus last, int fruitless, ServerUnreachableException reason, CancellationToken cancellationToken)
    {
        if (fruitless + 1 >= FruitlessTriesMax)
        {
            throw reason;
        }

        await Task.Delay(FirstWait * (1 << fruitless), _time, cancellationToken).ConfigureAwait(false);
        try
        {
            return await StatusAsync(blob, cancellationToken).ConfigureAwait(false);
        }
        catch (ServerUnreachableException)
        {
            // Still away: this counts as a fruitless try.
            return last;
        }
    }

    private static long? Offset(HttpResponseMessage response) =>
        response.Headers.TryGetValues(DormouseHeaders.UploadOffset, out var values)
        && long.TryParse(values.First(), NumberStyles.None, CultureInfo.InvariantCulture, out var offset)
            ? offset
            : null;

    private static string Address(PackageFileInfo blob) => "api/v1/blobs/" + DormouseClient.Escape(blob.Sha256);

    private static FileStream OpenRead(string file) =>
        new(file, new FileStreamOptions { Mode = FileMode.Open, Access = FileAccess.Read, Share = FileShare.Read, Options = FileOptions.Asynchronous | FileOptions.SequentialScan });

    private readonly record struct UploadStatus(long Offset, bool IsComplete);
}
