using System.Collections.Concurrent;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Instances;
using Dormouse.Drivers.Instances;
using Microsoft.Extensions.Logging;

namespace Dormouse.Drivers.Templates;

/// <summary>
/// Templates of the revisions of Python code that were called lately. The first instance of a revision is started plainly; once it serves, a template is made beside it, and instances from then on
/// are forks. All templates together stay below a bound: the one that was not used for the longest time goes first. Used from the driver's inbox only.
/// </summary>
/// <param name="post">Runs work in the driver's inbox.</param>
internal sealed partial class RevisionTemplates(ProcessDriverOptions options, IInstanceHost host, Action<Action> post, ILogger logger) : IDisposable
{
    /// <summary>How often unused templates are looked for.</summary>
    public static readonly TimeSpan LookInterval = TimeSpan.FromMinutes(1);

    /// <summary>What a refused revision's reason is kept for, in revisions.</summary>
    public const int RefusedMax = 1000;

    private readonly ConcurrentDictionary<RevisionId, RevisionTemplate> _templates = [];
    private readonly Queue<RevisionId> _refused = [];
    private ITimer? _looks;

    /// <summary>The template of the instance's revision; null = there is none.</summary>
    public RevisionTemplate? Of(InstanceStart start) => _templates.GetValueOrDefault(start.Instance.Revision);

    /// <summary>An instance that was not forked serves: the next ones may be.</summary>
    /// <param name="load">How long its code took to load.</param>
    public void Serves(InstanceStart start, TimeSpan load)
    {
        if (options.TemplatesMemoryBytes <= 0 || start.Spec.Kind.RunsModels || load < options.TemplateLoadTimeMin || _templates.ContainsKey(start.Instance.Revision))
            return;
        var template = new RevisionTemplate(start, host, Changed);
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
            case TemplateState.Ready:
                LogReady(revision, template.LoadTime.TotalMilliseconds, template.MemoryBytes >> 20);
                MakeRoomFor(template);
                _looks ??= host.Time.CreateTimer(_ => post(EndUnused), null, LookInterval, LookInterval);
                break;
            case TemplateState.Refused:
                LogRefused(revision, template.Reason);
                _refused.Enqueue(revision);
                if (_refused.Count > RefusedMax && _refused.Dequeue() is var oldest && _templates.GetValueOrDefault(oldest) is { State: TemplateState.Refused })
                    _templates.TryRemove(oldest, out _);
                break;
            case TemplateState.Ended:
                // Nothing speaks against another one later.
                _templates.TryRemove(revision, out _);
                break;
        }
    }

    private void MakeRoomFor(RevisionTemplate newest)
    {
        if (newest.MemoryBytes > options.TemplatesMemoryBytes)
        {
            newest.End(TemplateState.Refused, $"It takes {newest.MemoryBytes >> 20} MiB, and all templates together may take {options.TemplatesMemoryBytes >> 20} MiB (workers.templates_memory).");
            return;
        }

        while (_templates.Values.Where(template => template.State == TemplateState.Ready).Sum(template => template.MemoryBytes) > options.TemplatesMemoryBytes)
        {
            // Whose forks live cannot go without them. When all others are such, there is no room for the newest now.
            var unused = _templates.Values.Where(template => template is { State: TemplateState.Ready, Living: 0 } && template != newest).MinBy(template => template.UsedAt) ?? newest;
            LogNoRoom(unused.MadeFor.Revision);
            unused.End(TemplateState.Ended, "");
            if (unused == newest)
                return;
        }
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

    [LoggerMessage(EventId = 3053, EventName = "TemplateUnused", Level = LogLevel.Information, Message = "The template of {Revision} ends: it was not used for {Time}")]
    private partial void LogUnused(RevisionId revision, TimeSpan time);
}
