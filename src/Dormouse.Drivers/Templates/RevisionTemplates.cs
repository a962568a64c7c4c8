using System.Collections.Concurrent;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Instances;
using Dormouse.Drivers.Instances;
using Dormouse.Drivers.Snapshots;
using Microsoft.Extensions.Logging;

namespace Dormouse.Drivers.Templates;

/// <summary>
/// Templates of the revisions of Python code that were called lately. The first instance of a revision is started plainly; once it serves, a template is made beside it, and instances from then on
/// are forks. All templates together stay below a bound: the one that was not used for the longest time goes first. Used from the driver's inbox only.
/// </summary>
/// <param name="post">Runs work in the driver's inbox.</param>
/// <param name="snapshots">What templates are restored from.</param>
internal sealed partial class RevisionTemplates(ProcessDriverOptions options, IInstanceHost host, RevisionSnapshots snapshots, Action<Action> post, ILogger logger) : IDisposable
{
    /// <summary>How often unused templates are looked for.</summary>
    public static readonly TimeSpan LookInterval = TimeSpan.FromMinutes(1);

    /// <summary>What a refused revision's reason is kept for, in revisions.</summary>
    public const int RefusedMax = 1000;

    private readonly ConcurrentDictionary<RevisionId, RevisionTemplate> _templates = [];
    private readonly Queue<RevisionId> _refused = [];
    private ITimer? _looks;

    private long TakenBytes => _templates.Values.Where(template => template.State == TemplateState.Ready).Sum(template => template.MemoryBytes);

    /// <summary>The template of the instance's revision; null = there is none. One that was given other secrets than the instance gets ends.</summary>
    public RevisionTemplate? Of(InstanceStart start)
    {
        if (_templates.GetValueOrDefault(start.Instance.Revision) is not { } template || template.SecretsStamp == start.Secrets.Stamp)
            return _templates.GetValueOrDefault(start.Instance.Revision);
        LogOtherSecrets(start.Instance.Revision);
        template.End(TemplateState.Ended, "");
        // A refused one does not end, but with other secrets its code may do what it did not do before.
        _templates.TryRemove(KeyValuePair.Create(start.Instance.Revision, template));
        return null;
    }

    /// <summary>Why an instance of the revision cannot be forked now.</summary>
    public RungReason WhyNone(InstanceStart start) =>
        options.TemplatesMemoryBytes <= 0 ? RungReason.TemplatesOff : Of(start)?.State switch
        {
            TemplateState.Starting => RungReason.TemplateStarting,
            TemplateState.Refused => RungReason.TemplateRefused,
            _ when snapshots.Report(start.Instance.Revision) is { State: SnapshotState.Refused } => RungReason.SnapshotRefused,
            _ => RungReason.NoTemplate,
        };

    /// <summary>A template of the instance's revision that is being restored; null = there is nothing to restore it from.</summary>
    public RevisionTemplate? Restore(InstanceStart start)
    {
        if (Of(start) is { } known)
            return known is { IsRestored: true, State: TemplateState.Starting } ? known : null;
        if (options.TemplatesMemoryBytes <= 0 || start.Spec.Kind.RunsModels || snapshots.Find(start) is not { } found)
            return null;
        var template = new RevisionTemplate(start, found, options.SpareForks, host, post, Changed, Grown);
        _templates[start.Instance.Revision] = template;
        template.Begin();
        snapshots.Check(found.Kept, template.Checked);
        return template;
    }

    /// <summary>Code that loads in this time gets no template.</summary>
    public bool IsQuick(TimeSpan load) => load < options.TemplateLoadTimeMin;

    /// <summary>An instance that was not forked serves: the next ones may be.</summary>
    /// <param name="load">How long its code took to load.</param>
    public void Serves(InstanceStart start, TimeSpan load)
    {
        if (options.TemplatesMemoryBytes <= 0 || start.Spec.Kind.RunsModels || IsQuick(load) || _templates.ContainsKey(start.Instance.Revision))
            return;
        var template = new RevisionTemplate(start, snapshot: null, options.SpareForks, host, post, Changed, Grown);
        _templates[start.Instance.Revision] = template;
        template.Begin();
    }

    /// <summary>The endpoint is deleted.</summary>
    public void Forget(EndpointId endpoint)
    {
        foreach (var (revision, template) in _templates.Where(entry => entry.Key.Endpoint == endpoint).ToArray())
        {
            template.End(TemplateState.Ended, "");
            _templates.TryRemove(revision, out _);
        }
    }

    public void EndAll()
    {
        foreach (var template in _templates.Values.ToArray())
            template.End(TemplateState.Ended, "");
        _templates.Clear();
    }

    /// <summary>Null: nothing is known of one. From any thread.</summary>
    public TemplateReport? Report(RevisionId revision) => _templates.GetValueOrDefault(revision)?.Report;

    public void Dispose() => _looks?.Dispose();

    private void Changed(RevisionTemplate template)
    {
        var revision = template.MadeFor.Revision;
        switch (template.State)
        {
            case TemplateState.Ready when template.IsRestored:
                snapshots.Restored(revision, template.LoadTime);
                MakeRoom(template);
                break;
            case TemplateState.Ready:
                LogReady(revision, template.LoadTime.TotalMilliseconds, template.MemoryBytes >> 20);
                MakeRoom(template);
                snapshots.Ready(template);
                break;
            case TemplateState.Refused:
                LogRefused(revision, template.Reason);
                _refused.Enqueue(revision);
                if (_refused.Count > RefusedMax && _refused.Dequeue() is var oldest && _templates.GetValueOrDefault(oldest) is { State: TemplateState.Refused })
                    _templates.TryRemove(oldest, out _);
                break;
            case TemplateState.Ended:
                // Nothing speaks against another one later.
                _templates.TryRemove(KeyValuePair.Create(revision, template));
                if (template.SnapshotFault is { } fault)
                    snapshots.Failed(revision, fault);
                break;
        }
    }

    private void MakeRoom(RevisionTemplate template)
    {
        MakeRoomFor(template);
        _looks ??= host.Time.CreateTimer(_ => post(EndUnused), null, LookInterval, LookInterval);
    }

    /// <summary>Spare forks of it take memory too: they go before a template does that others need.</summary>
    private void Grown(RevisionTemplate template)
    {
        if (template.State == TemplateState.Ready && TakenBytes > options.TemplatesMemoryBytes && !TryMakeRoom(template))
            template.GiveUpSpares();
    }

    private void MakeRoomFor(RevisionTemplate newest)
    {
        if (newest.MemoryBytes > options.TemplatesMemoryBytes)
        {
            newest.End(TemplateState.Refused, $"It takes {newest.MemoryBytes >> 20} MiB, and all templates together may take {options.TemplatesMemoryBytes >> 20} MiB (workers.templates_memory).");
            return;
        }

        // Whose forks live cannot go without them. When all others are such, there is no room for the newest now.
        if (!TryMakeRoom(newest))
            Give(newest);
    }

    /// <summary>Ends templates that are not in use until all together are below the bound. False: those are not enough.</summary>
    /// <param name="kept">This one stays.</param>
    private bool TryMakeRoom(RevisionTemplate kept)
    {
        while (TakenBytes > options.TemplatesMemoryBytes)
        {
            if (_templates.Values.Where(template => template is { State: TemplateState.Ready, Living: 0 } && template != kept).MinBy(template => template.UsedAt) is not { } unused)
                return false;
            Give(unused);
        }

        return true;
    }

    private void Give(RevisionTemplate template)
    {
        LogNoRoom(template.MadeFor.Revision);
        template.End(TemplateState.Ended, "");
    }

    private void EndUnused()
    {
        foreach (var template in _templates.Values.Where(template => template is { State: TemplateState.Ready, Living: 0 }).ToArray())
        {
            if (host.Time.GetElapsedTime(template.UsedAt) < options.TemplateIdleTime)
                continue;
            LogUnused(template.MadeFor.Revision, options.TemplateIdleTime);
            template.End(TemplateState.Ended, "");
        }
    }

    [LoggerMessage(EventId = 3050, EventName = "TemplateReady", Level = LogLevel.Information,
        Message = "Template of {Revision} is loaded in {Load:F0} ms and takes {Memory} MiB; instances are forks of it from now on")]
    private partial void LogReady(RevisionId revision, double load, long memory);

    [LoggerMessage(EventId = 3051, EventName = "TemplateRefused", Level = LogLevel.Information, Message = "{Revision} has no template, its instances are started one by one: {Reason}")]
    private partial void LogRefused(RevisionId revision, string reason);

    [LoggerMessage(EventId = 3052, EventName = "TemplateMadeRoom", Level = LogLevel.Information, Message = "The template of {Revision} ends: templates together take more than they may")]
    private partial void LogNoRoom(RevisionId revision);

    [LoggerMessage(EventId = 3054, EventName = "TemplateSecretsChanged", Level = LogLevel.Information, Message = "The template of {Revision} ends: a secret that it was given has another value now")]
    private partial void LogOtherSecrets(RevisionId revision);

    [LoggerMessage(EventId = 3053, EventName = "TemplateUnused", Level = LogLevel.Information, Message = "The template of {Revision} ends: it was not used for {Time}")]
    private partial void LogUnused(RevisionId revision, TimeSpan time);
}
