namespace Dormouse.Server.Batches;

/// <summary>
/// The results of a job as they grow: JSON lines in order of items. Lines are flushed before the job is told that it has them, and what a crash left beyond that is cut off, so a line is
/// there once.
/// </summary>
internal sealed class ResultsFile : IAsyncDisposable
{
    private readonly FileStream _file;

    private ResultsFile(FileStream file) => _file = file;

    public static string PathOf(string folder, Core.Batches.BatchId job) => Path.Combine(folder, job + ".jsonl");

    /// <summary>Opens it at the length that the job knows.</summary>
    /// <exception cref="InvalidDataException">It is missing, or shorter.</exception>
    public static ResultsFile Open(string folder, Core.Batches.BatchId job, long length)
    {
        Directory.CreateDirectory(folder);
        var options = new FileStreamOptions { Mode = FileMode.OpenOrCreate, Access = FileAccess.ReadWrite, Share = FileShare.Read };
        if (!OperatingSystem.IsWindows())
        {
            options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        }

        var file = new FileStream(PathOf(folder, job), options);
        if (file.Length < length)
        {
            var has = file.Length;
            file.Dispose();
            throw new InvalidDataException($"Its results have {has} bytes on this server's disk; {length} had been written. They were lost or belong to another data folder; begin a new job.");
        }

        file.SetLength(length);
        file.Position = length;
        return new ResultsFile(file);
    }

    /// <summary>Appends lines; they are on the disk when it returns.</summary>
    /// <returns>The length with them.</returns>
    public async Task<long> AppendAsync(ReadOnlyMemory<byte> lines)
    {
        var before = _file.Position;
        try
        {
            await _file.WriteAsync(lines, CancellationToken.None);
            _file.Flush(flushToDisk: true);
            return _file.Position;
        }
        catch (IOException)
        {
            // The disk is full: what was written of them is written again.
            _file.SetLength(before);
            _file.Position = before;
            throw;
        }
    }

    public ValueTask DisposeAsync() => _file.DisposeAsync();
}
