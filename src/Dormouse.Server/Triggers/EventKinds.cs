using System.Collections.Immutable;
using System.Runtime.CompilerServices;
using Dormouse.Brokers;
using Dormouse.Core;
using Dormouse.Core.Events;
using Dormouse.Core.Queues;
using Dormouse.Server.Hosting.Settings;

namespace Dormouse.Server.Triggers;

/// <summary>Every kind of trigger that there is, by name. The assembly of the brokers is loaded when somebody asks for a kind that is not the server's own.</summary>
internal sealed class EventKinds(CronKind cron, HttpKind http, FolderKind folder, IQueueStore queue, QueuesSettings queues, TimeProvider time, IIdSource ids)
{
    private readonly Lazy<ImmutableArray<IEventSourceKind>> _brokers = new(() => Brokers(queue, queues, time, ids));

    public ImmutableArray<IEventSourceKind> All => [cron, http, folder, .. _brokers.Value];

    public IEventSourceKind? Find(string name) => ((IEventSourceKind[])[cron, http, folder]).FirstOrDefault(k => k.Name == name) ?? _brokers.Value.FirstOrDefault(k => k.Name == name);

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static ImmutableArray<IEventSourceKind> Brokers(IQueueStore queue, QueuesSettings queues, TimeProvider time, IIdSource ids) =>
        BrokerKinds.All(new BrokerParts(time, ids, new FedInvocations(queue), queues.BodyLimitBytes));
}
