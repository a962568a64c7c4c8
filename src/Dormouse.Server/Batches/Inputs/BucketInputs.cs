using Dormouse.Core.Batches;
using Dormouse.Core.Endpoints;
using Dormouse.Server.Hosting.Settings;

namespace Dormouse.Server.Batches.Inputs;

/// <summary>Inputs in buckets: which may be read, what they are, and how they are opened. The library for S3 is loaded when somebody asks for one.</summary>
internal sealed class BucketInputs(BatchesSettings settings, QueuesSettings queues) : IDisposable
{
    /// <summary>Objects whose sizes are added up for the progress; of a longer list the sum is what these have.</summary>
    private const int SizedMax = 20_000;

    private const int PageMax = 1_000;

    private readonly Lazy<IBucketObjects> _objects = new(settings.Objects);

    public void Dispose()
    {
        if (_objects is { IsValueCreated: true, Value: IDisposable objects })
        {
            objects.Dispose();
        }
    }

    /// <summary>What an input in a bucket is; null when it may not or cannot be read, and why.</summary>
    public async Task<(BatchInput? Input, string Refusal)> DescribeAsync(string path, BatchFormat? format, CancellationToken cancellationToken)
    {
        var allowed = settings.Buckets.IsEmpty ? "none: the operator names places in the setting batches.buckets" : string.Join(", ", settings.Buckets) + " (setting batches.buckets)";
        if (BucketPlace.Parse(path) is not { } place || !place.IsWithin(settings.Buckets))
        {
            return (null, $"'path' is '{ShownText.Of(path)}'; allowed is s3://bucket/key in one of {allowed}.");
        }

        try
        {
            // What has the name of a file is one, unless it is said to be a prefix.
            var known = place.Key.EndsWith('/') || place.Key.Length == 0 ? BatchFormat.Files : format ?? BatchInputs.OfName(place.Key) ?? BatchFormat.Files;
            if (known == BatchFormat.Files)
            {
                return format is BatchFormat.Lines or BatchFormat.Csv or BatchFormat.Parquet
                    ? (null, $"'path' is '{ShownText.Of(path)}', a prefix; its objects have the format files.")
                    : await PrefixAsync(place, cancellationToken);
            }

            return await _objects.Value.FindAsync(place.Bucket, place.Key, cancellationToken) is { } found
                ? (new BatchInput(BatchPlace.Bucket, place.ToString(), found.ETag, place.Key[(place.Key.LastIndexOf('/') + 1)..], known, found.Bytes), "")
                : (null, $"'path' is '{ShownText.Of(path)}'; there is no such object. A prefix ends with '/'.");
        }
        catch (IOException e)
        {
            return (null, $"'path' is '{ShownText.Of(path)}': {e.Message}.");
        }
    }

    /// <exception cref="InputUnreadableException">It may not be read any more.</exception>
    public IItemReader OpenPrefix(BatchJob job) => new PrefixReader(_objects.Value, Checked(job.Input), job.Mark, job.ReadBytes, queues.BodyLimitBytes);

    /// <exception cref="InputUnreadableException">It may not be read any more.</exception>
    public Stream OpenObject(BatchInput input)
    {
        var place = Checked(input);
        return new BucketStream(_objects.Value, place.Bucket, new BucketObject(place.Key, input.Bytes, input.Stamp ?? ""));
    }

    private async Task<(BatchInput? Input, string Refusal)> PrefixAsync(BucketPlace place, CancellationToken cancellationToken)
    {
        var prefix = place.Key.Length == 0 || place.Key.EndsWith('/') ? place : place with { Key = place.Key + "/" };
        var (bytes, count, last) = (0L, 0, (string?)null);
        while (count < SizedMax && await _objects.Value.ListAsync(prefix.Bucket, prefix.Key, last, PageMax, cancellationToken) is { IsEmpty: false } page)
        {
            (bytes, count, last) = (bytes + page.Sum(o => o.Bytes), count + page.Length, page[^1].Key);
        }

        var name = prefix.Key.TrimEnd('/') is { Length: > 0 } folder ? folder[(folder.LastIndexOf('/') + 1)..] : prefix.Bucket;
        return count == 0
            ? (null, $"'path' is '{ShownText.Of(place.ToString())}'; no object's key begins with '{ShownText.Of(prefix.Key)}'.")
            : (new BatchInput(BatchPlace.Bucket, prefix.ToString(), null, name, BatchFormat.Files, bytes), "");
    }

    /// <summary>The operator may have taken the bucket back.</summary>
    private BucketPlace Checked(BatchInput input) => BucketPlace.Parse(input.Location) is { } place && place.IsWithin(settings.Buckets)
        ? place
        : throw new InputUnreadableException($"'{input.Location}' lies in none of the places that the operator names in batches.buckets.");
}
