using System.Collections.Immutable;
using System.Globalization;
using System.IO.Enumeration;
using Dormouse.Core.Events;

namespace Dormouse.Server.Triggers;

/// <summary>
/// Looks through a folder, not through those in it, every second. A file is whole when two looks saw the same size and time and the time is old enough; its bytes are the event's data. The oldest come first.
/// What is queued is moved or deleted, which is all that is remembered: a file that is still there after a crash has the same id as before and is queued once.
/// </summary>
internal sealed class FolderSource(string folder, string pattern, TimeSpan settle, bool isDeleting, long bytesMax, TimeProvider time) : IEventSource
{
    private const string DoneFolder = ".done";

    private const string RejectedFolder = ".rejected";

    private static readonly TimeSpan LookInterval = TimeSpan.FromSeconds(1);

    private static readonly ImmutableSortedDictionary<string, string> Types = new Dictionary<string, string>
    {
        [".json"] = "application/json",
        [".txt"] = "text/plain",
        [".csv"] = "text/csv",
        [".png"] = "image/png",
        [".jpg"] = "image/jpeg",
        [".jpeg"] = "image/jpeg",
        [".webp"] = "image/webp",
        [".gif"] = "image/gif",
        [".bmp"] = "image/bmp",
        [".xml"] = "application/xml",
        [".pdf"] = "application/pdf",
    }.ToImmutableSortedDictionary(StringComparer.OrdinalIgnoreCase);

    /// <summary>Names of files that were given, and are neither acknowledged nor put aside: a batch that waits for more has them.</summary>
    private readonly HashSet<string> _given = new(StringComparer.Ordinal);
    private Dictionary<string, (long Bytes, DateTime Written)> _seen = [];
    private bool _hasLooked;

    public async Task<ImmutableArray<SourceEvent>> ReceiveAsync(int max, TimeSpan wait, CancellationToken cancellationToken)
    {
        var end = time.GetUtcNow() + wait;
        while (true)
        {
            var whole = Look();
            if (!whole.IsEmpty)
            {
                var events = ImmutableArray.CreateBuilder<SourceEvent>();
                foreach (var file in whole.Take(max))
                {
                    events.Add(await ReadAsync(file, cancellationToken));
                    _given.Add(file.Name);
                }

                return events.ToImmutable();
            }

            var left = end - time.GetUtcNow();
            if (left <= TimeSpan.Zero)
            {
                return [];
            }

            await Task.Delay(left < LookInterval ? left : LookInterval, time, cancellationToken);
        }
    }

    public Task AcknowledgeAsync(IReadOnlyList<SourceEvent> events, CancellationToken cancellationToken)
    {
        foreach (var done in events)
        {
            var path = (string)done.Handle!; // Every event of this source has its path.
            if (isDeleting)
            {
                File.Delete(path);
            }
            else
            {
                Move(path, DoneFolder);
            }

            _given.Remove(Path.GetFileName(path));
        }

        return Task.CompletedTask;
    }

    public Task RejectAsync(SourceEvent rejected, string reason, CancellationToken cancellationToken)
    {
        var path = (string)rejected.Handle!; // As above.
        Move(path, RejectedFolder);
        _given.Remove(Path.GetFileName(path));
        return Task.CompletedTask;
    }

    public Task<long?> LagAsync(CancellationToken cancellationToken) => Task.FromResult<long?>(Files().Count());

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    /// <summary>Whole files, the oldest first.</summary>
    private ImmutableArray<FileInfo> Look()
    {
        var oldest = (time.GetUtcNow() - settle).UtcDateTime;
        var files = Files().ToList();
        var seen = files.ToDictionary(f => f.Name, f => (f.Length, f.LastWriteTimeUtc), StringComparer.Ordinal);
        // A file that is older than the settling time at the first look has not changed for so long.
        var whole = files.Where(f => !_given.Contains(f.Name) && f.LastWriteTimeUtc <= oldest && (!_hasLooked || settle == TimeSpan.Zero || (_seen.TryGetValue(f.Name, out var before) && before == seen[f.Name])))
            .OrderBy(f => f.LastWriteTimeUtc).ThenBy(f => f.Name, StringComparer.Ordinal).ToImmutableArray();
        (_seen, _hasLooked) = (seen, true);
        return whole;
    }

    private IEnumerable<FileInfo> Files() =>
        new DirectoryInfo(folder).EnumerateFiles().Where(f => f.LinkTarget is null && f.Name[0] != '.' && FileSystemName.MatchesSimpleExpression(pattern, f.Name, ignoreCase: false));

    private async Task<SourceEvent> ReadAsync(FileInfo file, CancellationToken cancellationToken)
    {
        var id = string.Create(CultureInfo.InvariantCulture, $"{file.Name}:{file.Length}:{file.LastWriteTimeUtc.Ticks}");
        // One that is too large is not read into memory: one byte more than is allowed is enough to have it refused.
        var bytes = new byte[Math.Min(file.Length, bytesMax + 1)];
        await using (var stream = file.OpenRead())
        {
            await stream.ReadAtLeastAsync(bytes, bytes.Length, throwOnEndOfStream: false, cancellationToken);
        }

        return new SourceEvent(
            id, "file://" + folder, "dormouse.file.created", new DateTimeOffset(file.LastWriteTimeUtc, TimeSpan.Zero), bytes, Types.GetValueOrDefault(file.Extension, "application/octet-stream"))
        {
            Subject = file.Name,
            Handle = file.FullName,
        };
    }

    /// <summary>A file of the same name that is there already is kept: this one gets a number.</summary>
    private void Move(string path, string to)
    {
        var target = Path.Combine(folder, to);
        Directory.CreateDirectory(target);
        var name = Path.GetFileName(path);
        for (var number = 0; ; number++)
        {
            var place = Path.Combine(target, number == 0 ? name : string.Create(CultureInfo.InvariantCulture, $"{name}.{number}"));
            if (!File.Exists(place))
            {
                if (File.Exists(path))
                {
                    File.Move(path, place);
                }

                return;
            }
        }
    }
}
