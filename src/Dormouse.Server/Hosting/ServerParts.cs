using Dormouse.Core;
using Dormouse.Core.Access;
using Dormouse.Core.Batches;
using Dormouse.Core.Destinations;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Events;
using Dormouse.Core.Environments;
using Dormouse.Core.Instances;
using Dormouse.Core.Packages;
using Dormouse.Core.Pipelines;
using Dormouse.Core.Queues;
using Dormouse.Core.Secrets;
using Dormouse.Core.Sharing;
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

    public required ISecretStore Secrets { get; init; }

    public required ITriggerStore Triggers { get; init; }

    public required IBatchStore Batches { get; init; }

    public required IPipelineStore Pipelines { get; init; }

    public IServerSharing Sharing { get; init; } = new SoleServer();

    public required IInvocationJournal Journal { get; init; }

    public required Func<IServiceProvider, IInstanceDriver> Driver { get; init; }

    public required Func<IServiceProvider, IModelInspector> Inspector { get; init; }

    /// <summary>The database in use and its version, for people.</summary>
    public Func<CancellationToken, Task<string>> DescribeStore { get; init; } = _ => Task.FromResult("in memory");

    public required Func<IServiceProvider, IEnvironmentBuilder> Environments { get; init; }

    /// <summary>The administrator's key.</summary>
    public required string AdminKey { get; init; }
}

/// <summary>The parts of a server that may still be opening: the application is put together meanwhile.</summary>
/// <param name="time">The clock: the one part that listening asks for, and that nobody waits for.</param>
internal sealed class ComingParts(TimeProvider time)
{
    private volatile ServerParts? _parts;

    public ComingParts(ServerParts parts)
        : this(parts.Time) => _parts = parts;

    public TimeProvider Time { get; } = time;

    /// <exception cref="InvalidOperationException">They have not come yet.</exception>
    public ServerParts Value => _parts ?? throw new InvalidOperationException("A part of the server was asked for before its stores were open.");

    public void Came(ServerParts parts) => _parts = parts;
}
