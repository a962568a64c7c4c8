using System.Collections.Concurrent;
using System.Collections.Immutable;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Instances;
using Dormouse.Drivers.Prefetch;
using Dormouse.Server.Dispatch;
using Dormouse.Server.Hosting.Settings;
using Microsoft.Extensions.Logging;

namespace Dormouse.Server.Prefetch;

/// <summary>
/// Writes down, once for each package and environment, which files a start opens and which chunks of them are in memory after it. The kernel keeps the list meanwhile, so the start waits only until it is listened to.
/// </summary>
internal sealed partial class StartRecorder(StartPlaces places, PrefetchSettings settings, TimeProvider time, ILogger<StartRecorder> logger) : IAsyncDisposable
{
    /// <summary>Starts that are recorded at once; a further one is recorded another time.</summary>
    public const int AtOnceMax = 4;

    /// <summary>How long an instance is listened to after it has become ready: what its first call loads belongs to its start as well.</summary>
    public static readonly TimeSpan Afterwards = TimeSpan.FromSeconds(10);

    private readonly ConcurrentDictionary<InstanceId, Recording> _running = new();
    private readonly ConcurrentDictionary<string, InstanceId> _records = new(StringComparer.Ordinal);
    private readonly BackgroundTasks _tasks = new();
    private int _hasRefused;

    /// <summary>Listens to the start that follows, unless it is known what such a start reads.</summary>
    public async Task BeginAsync(Revision revision, InstanceId instance, string packageFolder)
    {
        var record = StartPlaces.RecordOf(revision, packageFolder);
        if (settings.BytesMax == 0 || File.Exists(record) || !Directory.Exists(packageFolder) || _records.Count >= AtOnceMax || !_records.TryAdd(record, instance))
        {
            return;
        }

        try
        {
            var opens = await Task.Run(() => FileOpens.Listen(places.Folders(revision, packageFolder)));
            _running[instance] = new Recording(revision, packageFolder, record, opens);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            _records.TryRemove(record, out _);
            Refused(revision.Id, e.Message);
        }
    }

    /// <summary>A file that the instance is given open, so that it opens none itself.</summary>
    /// <returns>The path.</returns>
    public string? Given(InstanceId instance, string? path)
    {
        if (path is not null && _running.TryGetValue(instance, out var recording))
        {
            recording.Given = path;
        }

        return path;
    }

    /// <summary>The instance serves. A model that was loaded as it was sent is not recorded: later starts load its optimised file.</summary>
    public void Ready(Revision revision, InstanceId instance, InstanceReady ready)
    {
        if (!_running.TryGetValue(instance, out var recording) || recording.IsReady)
        {
            return;
        }

        if (!ready.UsedOptimised)
        {
            Discard(instance);
            return;
        }

        recording.IsReady = true;
        _tasks.Add(FinishAfterwardsAsync(instance, recording));
    }

    /// <summary>Nothing is left of it: what it opened is written down if it ever served.</summary>
    public void Gone(InstanceId instance)
    {
        if (!_running.TryGetValue(instance, out var recording))
        {
            return;
        }

        if (recording.IsReady)
        {
            recording.Ended.Cancel();
        }
        else
        {
            Discard(instance);
        }
    }

    /// <summary>Ends when nothing is being written any more.</summary>
    public Task WhenAllAsync() => _tasks.WhenAllAsync();

    public async ValueTask DisposeAsync()
    {
        foreach (var instance in _running.Keys)
        {
            Gone(instance);
        }

        await _tasks.WhenAllAsync();
    }

    private async Task FinishAfterwardsAsync(InstanceId instance, Recording recording)
    {
        try
        {
            await Task.Delay(Afterwards, time, recording.Ended.Token);
        }
        catch (OperationCanceledException)
        {
            // The instance, or the server, ends earlier.
        }

        try
        {
            await Task.Run(() => Write(recording));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            Refused(recording.Revision.Id, e.Message);
        }
        finally
        {
            Discard(instance);
        }
    }

    private void Write(Recording recording)
    {
        var opened = recording.Opens.Read(out var isWhole);
        var files = ImmutableArray.CreateBuilder<UsedFile>();
        foreach (var path in recording.Given is { } given ? opened.Prepend(given) : opened)
        {
            if (places.Name(recording.Revision, recording.PackageFolder, path) is not var (place, name) || CachedFile.TryOpen(path) is not { } file)
            {
                continue;
            }

            using (file)
            {
                var ranges = UsedFile.RangesOf(Enumerable.Range(0, file.ChunkCount).Where(c => file.MissingBytes(c) is not { } missing || missing < file.BytesOf(c)));
                if (new UsedFile(place, name, file.Length, ranges) is { IsValid: true, Ranges.IsEmpty: false } used)
                {
                    files.Add(used);
                }
            }
        }

        if (files.Count > 0)
        {
            StartRecords.Write(recording.Record, new StartRecord(StartRecord.CurrentVersion, files.ToImmutable()));
            LogRecorded(recording.Revision.Id, files.Count, isWhole ? "all" : "not all, there were too many");
        }
    }

    private void Discard(InstanceId instance)
    {
        if (_running.TryRemove(instance, out var recording))
        {
            recording.Opens.Dispose();
            _records.TryRemove(recording.Record, out _);
        }
    }

    /// <summary>Said once: it will be the same for the next.</summary>
    private void Refused(RevisionId revision, string reason)
    {
        if (Interlocked.Exchange(ref _hasRefused, 1) == 0)
        {
            LogRefused(revision, reason);
        }
    }

    [LoggerMessage(EventId = 2303, EventName = "StartRecorded", Level = LogLevel.Debug, Message = "A start of {Revision} opened {Files} files ({Whole}); they are read ahead when a call is likely")]
    private partial void LogRecorded(RevisionId revision, int files, string whole);

    [LoggerMessage(EventId = 2304, EventName = "StartNotRecorded", Level = LogLevel.Warning, Message = "What a start of {Revision} reads could not be recorded: {Reason} Its files are not read ahead; later failures of this kind are not logged")]
    private partial void LogRefused(RevisionId revision, string reason);

    private sealed class Recording(Revision revision, string packageFolder, string record, FileOpens opens)
    {
        public Revision Revision => revision;

        public string PackageFolder => packageFolder;

        public string Record => record;

        public FileOpens Opens => opens;

        /// <summary>The instance, or the server, ends. Never disposed: it has no timer.</summary>
        public CancellationTokenSource Ended { get; } = new();

        public volatile string? Given;

        public volatile bool IsReady;
    }
}
