using Dormouse.Core;
using Dormouse.Core.Access;
using Dormouse.Core.Destinations;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Events;
using Dormouse.Core.Environments;
using Dormouse.Core.Instances;
using Dormouse.Core.Packages;
using Dormouse.Core.Queues;
using Dormouse.Core.Usage;

namespace Dormouse.Server.Hosting;

/// <summary>What a server is put together from at its edges: clock, stores and driver. Tests put fakes here; everything above is the same.</summary>
internal sealed record ServerParts
{
    public required TimeProvider Time { get; init; }

    public required IIdSource Ids { get; init; }

    /// <summary>Draws revisions by weight; used under a lock or by one thread at a time.</summary>
    public required Random Random { get; init; }

    public required ICatalogue Catalogue { get; init; }

    public required IBlobStore Blobs { get; init; }

    public required IDerivedFiles Derived { get; init; }

    public required IAccessKeys Keys { get; init; }

    public required ILedger Ledger { get; init; }

    public required IQueueStore Queue { get; init; }

    public required IDestinationStore Destinations { get; init; }

    public required ITriggerStore Triggers { get; init; }

    public required IInvocationJournal Journal { get; init; }

    public required Func<IServiceProvider, IInstanceDriver> Driver { get; init; }

    public required Func<IServiceProvider, IModelInspector> Inspector { get; init; }

    /// <summary>The database in use and its version, for people.</summary>
    public Func<CancellationToken, Task<string>> DescribeStore { get; init; } = _ => Task.FromResult("in memory");

    public required Func<IServiceProvider, IEnvironmentBuilder> Environments { get; init; }

    /// <summary>The administrator's key.</summary>
    public required string AdminKey { get; init; }
}
