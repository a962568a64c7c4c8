using System.Collections.Immutable;
using Dormouse.Core.Events;

namespace Dormouse.Server.Triggers;

/// <summary>Every kind of trigger that there is, by name.</summary>
internal sealed class EventKinds(CronKind cron, HttpKind http, FolderKind folder)
{
    public ImmutableArray<IEventSourceKind> All { get; } = [cron, http, folder];

    public IEventSourceKind? Find(string name) => All.FirstOrDefault(k => k.Name == name);
}
