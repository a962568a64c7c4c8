using System.Collections.Concurrent;
using System.Text.Json;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Instances;
using Dormouse.Drivers.Instances;
using Dormouse.Drivers.Templates;
using Dormouse.Protocol.Launching;
using Microsoft.Extensions.Logging;

namespace Dormouse.Drivers.Snapshots;

/// <summary>
/// Snapshots of templates. One is taken when a template has idled for a moment after the first call of a fork, or has long had none; one at a time. A start that finds no template restores what was kept of it.
/// Nothing of it exists until the first template. Used from the driver's inbox only, but for <see cref="Report"/>.
/// </summary>
/// <param name="post">Runs work in the driver's inbox.</param>
internal sealed partial class RevisionSnapshots(ProcessDriverOptions options, IInstanceHost host, Action<Action> post, ILogger logger) : IDisposable
{
    /// <summary>How much longer a template waits of which no call has been heard, be it that its first is still running: without one there is nothing to compare with.</summary>
    public const int UnheardPatience = 6;

    /// <summary>Calls that are kept in memory for snapshots to come, each at most 96 KiB; of more revisions none is.</summary>
    public const int CallsMax = 100;

    private readonly ConcurrentDictionary<RevisionId, SnapshotReport> _reports = [];
    private readonly List<RevisionTemplate> _waiting = [];
    private readonly Dictionary<RevisionId, JsonElement> _calls = [];
    private readonly Lock _makingStore = new();
    private SnapshotStore? _store;
    private SnapshotTaking? _taking;
    private ITimer? _looks;
    private bool _isDisposed;

    /// <summary>Files that are being read, beside the inbox.</summary>
    public Task Reading { get; private set; } = Task.CompletedTask;

    private bool IsOn => options is { SnapshotsFolder: not null, SnapshotBytesMax: > 0, TemplatesMemoryBytes: > 0 };

    private SnapshotStore Store
    {
        get
        {
            lock (_makingStore)
                return _store ??= new(options.SnapshotsFolder!, options.SnapshotBytesMax, options.LauncherPath, options.PythonPackagePath ?? "", options.Criu ?? ""); // Not null: callers have asked IsOn.
        }
    }

    /// <summary>What can be restored of the revision now; null = nothing.</summary>
    public (KeptSnapshot Kept, CriuProgram Criu)? Find(InstanceStart start)
    {
        if (!IsOn || !start.Secrets.IsEmpty || Store.Find(start.Instance.Revision) is not { } kept || CriuSearch.Find(options.Criu, out _) is not { } criu)
            return null;
        Store.Used(start.Instance.Revision, host.Time.GetUtcNow());
        return (kept, criu);
    }

    /// <summary>The first call of an instance is to be kept: a snapshot may come of its template. Never where repeating a call may have effects outside of its sandbox.</summary>
    public bool WantsCall(InstanceStart start) =>
        IsOn && start.Secrets.IsEmpty && start.Spec.Network != NetworkAccess.Outbound && MayCome(start.Instance.Revision) && CriuSearch.Find(options.Criu, out _) is not null;

    /// <summary>A first call and its answer.</summary>
    public void Heard(RevisionId revision, JsonElement record)
    {
        if (MayCome(revision) && _calls.Count < CallsMax)
            _calls.TryAdd(revision, record);
    }

    /// <summary>Tells whether its files are what was verified.</summary>
    public void Check(KeptSnapshot kept, Action<bool> told) => Read(kept.Folder, checksum => told(checksum == kept.Checksum));

    /// <summary>Null: nothing is known of one. From any thread.</summary>
    public SnapshotReport? Report(RevisionId revision)
    {
        if (_reports.GetValueOrDefault(revision) is { } report)
            return report;
        if (!IsOn || !Directory.Exists(options.SnapshotsFolder))
            return null;
        return Store.Find(revision) is { } kept ? new(SnapshotState.Kept, "", kept.SizeBytes, kept.Compared, 0, 0)
            : Store.Refusal(revision) is { } reason ? new(SnapshotState.Refused, reason, 0, "", 0, 0)
            : null;
    }

    /// <summary>A template that was loaded, not restored, is ready.</summary>
    public void Ready(RevisionTemplate template)
    {
        var revision = template.MadeFor.Revision;
        if (!IsOn || template.LoadTime < options.SnapshotLoadTimeMin || Report(revision) is { State: SnapshotState.Refused or SnapshotState.Kept })
            return;
        var criu = CriuSearch.Find(options.Criu, out var problem);
        if (criu is null && options.Criu is null)
            return; // Nobody has asked for any, as doctor says.
        if (template.IsInContainer)
            Note(revision, "Its instances are in containers: only in a sandbox a process is written down and restored.");
        else if (!template.IsSandboxed)
            Note(revision, "Its instances are not sandboxed: a restored process takes its number along, which only a sandbox has to itself.");
        else if (!template.Start.Secrets.IsEmpty)
            Note(revision, "It has secrets, which would be written to disk.");
        else if (criu is null)
            Note(revision, problem);
        else
            Await(template);
    }

    public void Restored(RevisionId revision, TimeSpan time)
    {
        Change(revision, report => report with { Restored = report.Restored + 1 });
        LogRestored(revision, time.TotalMilliseconds);
    }

    /// <summary>It was to be restored, and was not: it goes, and the next template is written down anew.</summary>
    public void Failed(RevisionId revision, string reason)
    {
        Store.Remove(revision);
        Change(revision, report => report with { State = SnapshotState.None, Failed = report.Failed + 1, Reason = reason, SizeBytes = 0 });
        LogFailed(revision, reason);
    }

    public void Forget(EndpointId endpoint)
    {
        foreach (var revision in _reports.Keys.Where(revision => revision.Endpoint == endpoint).ToArray())
            _reports.TryRemove(revision, out _);
        foreach (var revision in _calls.Keys.Where(revision => revision.Endpoint == endpoint).ToArray())
            _calls.Remove(revision);
        if (_taking?.Template.MadeFor.Revision.Endpoint == endpoint)
            _taking.GiveUp();
        if (IsOn && Directory.Exists(options.SnapshotsFolder))
            Store.Forget(endpoint);
    }

    public void Dispose()
    {
        _isDisposed = true;
        _looks?.Dispose();
    }

    private bool MayCome(RevisionId revision) => Report(revision) is null or { State: SnapshotState.None or SnapshotState.Waiting };

    /// <summary>Why this revision has none: it is not tried again by this server, and the next one asks again.</summary>
    private void Note(RevisionId revision, string reason)
    {
        _calls.Remove(revision);
        _reports[revision] = new(SnapshotState.Refused, reason, 0, "", 0, 0);
    }

    private void Await(RevisionTemplate template)
    {
        _waiting.Add(template);
        Change(template.MadeFor.Revision, report => report with { State = SnapshotState.Waiting });
        _looks ??= host.Time.CreateTimer(_ => post(Look), null, options.SnapshotDelay, options.SnapshotDelay);
    }

    private void Look()
    {
        if (_taking is not null || _isDisposed)
            return;
        _waiting.RemoveAll(template => template.State != TemplateState.Ready);
        var next = _waiting.Find(template => host.Time.GetElapsedTime(template.UsedAt) >= options.SnapshotDelay * (_calls.ContainsKey(template.MadeFor.Revision) ? 1 : UnheardPatience));
        if (next is not null)
        {
            _waiting.Remove(next);
            Take(next);
        }
        else if (_waiting.Count == 0)
        {
            _looks?.Dispose();
            _looks = null;
        }
    }

    private void Take(RevisionTemplate template)
    {
        var revision = template.MadeFor.Revision;
        if (CriuSearch.Find(options.Criu, out var problem) is not { } criu)
        {
            Note(revision, problem);
            return;
        }

        string folder;
        try
        {
            folder = Store.Begin(revision);
        }
        catch (IOException fault)
        {
            Note(revision, $"Its folder cannot be made: {fault.Message}");
            return;
        }

        JsonElement? record = _calls.Remove(revision, out var call) ? call : null;
        _taking = new(template, folder, criu, record, host, post, outcome =>
        {
            _taking = null;
            if (!_isDisposed)
                Taken(revision, outcome);
        });
        _taking.Begin();
    }

    private void Taken(RevisionId revision, SnapshotOutcome outcome)
    {
        if (outcome.Compared is null)
        {
            Store.Remove(revision);
            if (outcome.IsOwnFault)
            {
                Store.Refuse(revision, outcome.Problem);
                LogRefused(revision, outcome.Problem);
            }

            Change(revision, report => report with { State = outcome.IsOwnFault ? SnapshotState.Refused : SnapshotState.None, Reason = outcome.Problem });
            return;
        }

        // Read once here, so that what is restored later is what was verified.
        Read(Store.FolderOf(revision), checksum => Keep(revision, outcome, outcome.Compared, checksum));
    }

    private void Keep(RevisionId revision, SnapshotOutcome outcome, string compared, string checksum)
    {
        try
        {
            if (Store.Keep(revision, outcome.Process, outcome.Worker, compared, checksum) is { } size)
            {
                Change(revision, report => report with { State = SnapshotState.Kept, Reason = "", SizeBytes = size, Compared = compared });
                LogKept(revision, size >> 20, compared);
            }
            else
            {
                Note(revision, $"It takes more than {options.SnapshotBytesMax >> 20} MiB, which all snapshots together may take (workers.snapshots_disk).");
            }
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            Store.Remove(revision);
            Note(revision, $"It could not be kept: {fault.Message}");
        }
    }

    private void Read(string folder, Action<string> told) => Reading = Task.WhenAll(Reading, ReadAsync(folder, told));

    private async Task ReadAsync(string folder, Action<string> told)
    {
        await Task.Yield();
        var checksum = SnapshotChecksum.Of(folder);
        post(() =>
        {
            if (!_isDisposed)
                told(checksum);
        });
    }

    private void Change(RevisionId revision, Func<SnapshotReport, SnapshotReport> change) =>
        _reports[revision] = change(Report(revision) ?? new(SnapshotState.None, "", 0, "", 0, 0));

    [LoggerMessage(EventId = 3060, EventName = "SnapshotKept", Level = LogLevel.Information, Message = "Snapshot of {Revision} is kept: {Size} MiB, verified by its {Compared}")]
    private partial void LogKept(RevisionId revision, long size, string compared);

    [LoggerMessage(EventId = 3061, EventName = "SnapshotRefused", Level = LogLevel.Information, Message = "{Revision} has no snapshot, after a restart it is loaded anew: {Reason}")]
    private partial void LogRefused(RevisionId revision, string reason);

    [LoggerMessage(EventId = 3062, EventName = "SnapshotRestored", Level = LogLevel.Information, Message = "Template of {Revision} is restored in {Time:F0} ms")]
    private partial void LogRestored(RevisionId revision, double time);

    [LoggerMessage(EventId = 3063, EventName = "SnapshotFailed", Level = LogLevel.Warning, Message = "The snapshot of {Revision} could not be restored and is removed, the start goes on without: {Reason}")]
    private partial void LogFailed(RevisionId revision, string reason);
}
