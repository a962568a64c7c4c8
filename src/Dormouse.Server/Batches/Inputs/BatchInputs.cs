using System.Collections.Immutable;
using System.Globalization;
using Dormouse.Core.Batches;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Packages;
using Dormouse.Protocol.Inference;
using Dormouse.Server.Batches.Inputs.Parquet;
using Dormouse.Server.Hosting.Settings;

namespace Dormouse.Server.Batches.Inputs;

/// <summary>Opens inputs. The one place that knows which kinds there are.</summary>
internal sealed class BatchInputs(IBlobStore blobs, ServerPaths paths, BucketInputs buckets, QueuesSettings queues, BatchesSettings batches)
{
    /// <summary>Opens the input where the job goes on.</summary>
    /// <param name="revision">What will run its items: says what the columns of a table mean.</param>
    /// <exception cref="InputUnreadableException">It cannot be read, and why.</exception>
    public async Task<IItemReader> OpenAsync(BatchJob job, Revision revision, CancellationToken cancellationToken)
    {
        try
        {
            if (job.Input is { Place: BatchPlace.Server, Format: BatchFormat.Files })
            {
                return new FolderReader(Checked(job.Input), job.Mark, job.ReadBytes, queues.BodyLimitBytes);
            }

            if (job.Input is { Place: BatchPlace.Bucket, Format: BatchFormat.Files })
            {
                return buckets.OpenPrefix(job);
            }

            var stream = job.Input.Place == BatchPlace.Bucket
                ? buckets.OpenObject(job.Input)
                : new FileStream(await PathOfAsync(job.Input, cancellationToken), new FileStreamOptions { Mode = FileMode.Open, Access = FileAccess.Read, Share = FileShare.ReadWrite, BufferSize = 0 });
            try
            {
                return job.Input.Format switch
                {
                    BatchFormat.Lines => new LinesReader(stream, job.Mark, queues.BodyLimitBytes),
                    BatchFormat.Csv => await CsvReader.OpenAsync(stream, job.Mark, queues.BodyLimitBytes, columns => RowOf(columns, revision), cancellationToken),
                    BatchFormat.Parquet => await ParquetReader.OpenAsync(stream, job.Mark, queues.BodyLimitBytes, batches.ParquetBytesMax, columns => RowOf(columns, revision), cancellationToken),
                    _ => new ArchiveReader(stream, job.Mark, queues.BodyLimitBytes),
                };
            }
            catch
            {
                await stream.DisposeAsync();
                throw;
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new InputUnreadableException($"The input '{job.Input.Name}' cannot be opened: {e.Message}", e);
        }
    }

    /// <summary>What an input on the server or in a bucket is; null when it may not be read, and why.</summary>
    public async Task<(BatchInput? Input, string Refusal)> DescribeAsync(string path, BatchFormat? format, CancellationToken cancellationToken) => BucketPlace.IsMeant(path)
        ? await buckets.DescribeAsync(path, format, cancellationToken)
        : (Describe(path, format, out var refusal), refusal);

    private BatchInput? Describe(string path, BatchFormat? format, out string refusal)
    {
        if (paths.Resolve(path, out refusal) is not { } real)
        {
            return null;
        }

        if (Directory.Exists(real))
        {
            if (format is BatchFormat.Lines or BatchFormat.Csv or BatchFormat.Parquet)
            {
                refusal = $"'path' is '{ShownText.Of(path)}', a folder; a folder has the format files.";
                return null;
            }

            var bytes = new DirectoryInfo(real).EnumerateFiles().Where(f => f.LinkTarget is null && !FileItem.IsHidden(f.Name)).Sum(f => f.Length);
            return new BatchInput(BatchPlace.Server, real, null, Path.GetFileName(real), BatchFormat.Files, bytes);
        }

        if (format == BatchFormat.Files || (format ??= OfName(real)) is not { } known)
        {
            refusal = format == BatchFormat.Files ? $"'path' is '{ShownText.Of(path)}', a file; the format files is that of a folder." : UnknownFormat(path);
            return null;
        }

        return new BatchInput(BatchPlace.Server, real, Stamp(real), Path.GetFileName(real), known, new FileInfo(real).Length);
    }

    /// <summary>By the end of a name; null when it says nothing.</summary>
    public static BatchFormat? OfName(string name) => Path.GetExtension(name).ToLowerInvariant() switch
    {
        ".jsonl" or ".ndjson" or ".json" => BatchFormat.Lines,
        ".csv" or ".tsv" => BatchFormat.Csv,
        ".parquet" => BatchFormat.Parquet,
        ".tar" => BatchFormat.Files,
        _ => null,
    };

    public static string UnknownFormat(string name) => $"The format of '{ShownText.Of(name)}' cannot be told from its name; say it with 'format': lines, csv, parquet or files.";

    private async Task<string> PathOfAsync(BatchInput input, CancellationToken cancellationToken) => input.Place == BatchPlace.Server
        ? Checked(input)
        : await blobs.FetchAsync(new BlobHash(input.Location), cancellationToken) ?? throw new InputUnreadableException($"The uploaded input '{input.Name}' is not on this server any more.");

    /// <summary>The operator may have taken the folder back, and a file may have become another one.</summary>
    private string Checked(BatchInput input)
    {
        if (paths.Resolve(input.Location, out var refusal) is not { } path || path != input.Location)
        {
            throw new InputUnreadableException(refusal.Length > 0 ? refusal : $"'{input.Location}' has become a link to somewhere else.");
        }

        return input.Stamp is null || input.Stamp == Stamp(path)
            ? path
            : throw new InputUnreadableException($"'{input.Location}' was changed while the job ran; which of its items are done cannot be told any more. Begin a new job.");
    }

    private static string Stamp(string path)
    {
        var file = new FileInfo(path);
        return string.Create(CultureInfo.InvariantCulture, $"{file.Length} {file.LastWriteTimeUtc.Ticks}");
    }

    private static CsvRow RowOf(ImmutableArray<string> columns, Revision revision) =>
        revision.Spec.Kind.RunsModels ? CsvRow.ForModel(columns, InputsOf(revision)) : CsvRow.ForFunction(columns);

    private static ParquetRow RowOf(ImmutableArray<ParquetColumn> columns, Revision revision) =>
        revision.Spec.Kind.RunsModels ? ParquetRow.ForModel(columns, InputsOf(revision)) : ParquetRow.ForFunction();

    private static ImmutableArray<TensorInfo> InputsOf(Revision revision) =>
        ModelInputs.Of(revision) ?? throw new InputUnreadableException("The model's inputs are not known yet; resume the job when its revision is ready.");
}
