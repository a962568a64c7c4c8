using System.Collections.Concurrent;
using System.Collections.Immutable;
using System.Threading.Channels;
using Dormouse.Core;
using Dormouse.Core.Access;
using Dormouse.Core.Destinations;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Events;
using Dormouse.Core.Packages;
using Dormouse.Core.Secrets;
using Dormouse.Core.Usage;

namespace Dormouse.Server.Tests.Gateway;

/// <summary>A journal of two dictionaries, which a test can fill up.</summary>
internal sealed class InMemoryJournal : IInvocationJournal
{
    private readonly ConcurrentDictionary<long, InvocationOpening> _open = new();
    private readonly ConcurrentDictionary<InvocationId, Receipt> _receipts = new();
    private readonly Channel<Receipt> _closed = Channel.CreateUnbounded<Receipt>();
    private long _sequence;

    /// <summary>The same for all of one machine, unless a test has several.</summary>
    public Guid ServerId { get; init; } = new("01990000-0000-7000-8000-000000000001");

    public bool IsFull { get; set; }

    public IEnumerable<Receipt> Receipts => _receipts.Values;

    public int OpenCount => _open.Count;

    /// <summary>Invocations that were handed to an instance and have no receipt.</summary>
    public IEnumerable<InvocationId> Open => _open.Values.Select(o => o.Invocation);

    public void Folded(Receipt receipt)
    {
    }

    public ValueTask<Receipt> NextReceiptAsync(CancellationToken cancellationToken) => _closed.Reader.ReadAsync(cancellationToken);

    public long TryOpen(in InvocationOpening opening)
    {
        if (IsFull)
        {
            return -1;
        }

        var sequence = Interlocked.Increment(ref _sequence);
        _open[sequence] = opening;
        return sequence;
    }

    public void Close(Receipt receipt)
    {
        Assert.True(_open.TryRemove(receipt.Sequence, out var opening), $"Sequence {receipt.Sequence} is closed twice or was never opened.");
        Assert.Equal(opening.Invocation, receipt.Invocation);
        _receipts[receipt.Invocation] = receipt;
        _closed.Writer.TryWrite(receipt);
    }

    public JournalEntry? Find(InvocationId invocation)
    {
        foreach (var opening in _open.Values)
        {
            if (opening.Invocation == invocation)
            {
                return new JournalEntry(opening, null);
            }
        }

        return _receipts.TryGetValue(invocation, out var receipt)
            ? new JournalEntry(new InvocationOpening(invocation, receipt.Tenant, receipt.Revision, receipt.Instance, receipt.StartedAt, receipt.MemoryMib, receipt.Line), receipt)
            : null;
    }

    public Task FlushAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;
}

/// <summary>A ledger that nothing was folded into yet.</summary>
internal sealed class EmptyLedger(ICatalogue catalogue) : ILedger
{
    public Task AppendAsync(IReadOnlyList<Receipt> receipts, CancellationToken cancellationToken) => Task.CompletedTask;

    public Task<Receipt?> FindAsync(TenantId tenant, InvocationId invocation, CancellationToken cancellationToken) => Task.FromResult<Receipt?>(null);

    public Task<ImmutableArray<Receipt>> RecentAsync(TenantId tenant, EndpointId? endpoint, int limit, CancellationToken cancellationToken) =>
        Task.FromResult(ImmutableArray<Receipt>.Empty);

    public Task<ImmutableArray<Receipt>> PageAsync(
        TenantId tenant, EndpointId? endpoint, DateTimeOffset from, DateTimeOffset to, ReceiptPosition? after, int limit, CancellationToken cancellationToken) =>
        Task.FromResult(ImmutableArray<Receipt>.Empty);

    public Task<ImmutableArray<UsageTotal>> TotalsAsync(
        TenantId tenant, EndpointId? endpoint, DateTimeOffset from, DateTimeOffset to, CancellationToken cancellationToken) =>
        Task.FromResult(ImmutableArray<UsageTotal>.Empty);

    public Task<string?> EndpointNameAsync(EndpointId endpoint, CancellationToken cancellationToken) => Task.FromResult<string?>(null);

    public async Task<string?> OverflowHostAsync(RevisionId revision, CancellationToken cancellationToken) =>
        (await catalogue.FindRevisionAsync(revision, cancellationToken))?.Spec.Overflow?.Host;

    public Task<ImmutableArray<string>> CheckAsync(DateTimeOffset? since, CancellationToken cancellationToken) => Task.FromResult(ImmutableArray<string>.Empty);
}

/// <summary>Blobs that exist in name only: a package's folder is a path, and making it can be made to fail.</summary>
internal sealed class NamedBlobs : IBlobStore, IDerivedFiles
{
    private readonly ConcurrentDictionary<(TenantId, BlobHash, string), PackageFile> _derived = new();
    private int _lookups;

    public IOException? Fault { get; set; }

    /// <summary>Where every package is laid out; null = nowhere, its folder is a path only.</summary>
    public string? Folder { get; set; }

    /// <summary>Database reads for optimised files.</summary>
    public int Lookups => Volatile.Read(ref _lookups);

    public Task<BlobStatus> StatusAsync(TenantId tenant, BlobHash hash, CancellationToken cancellationToken) => Task.FromResult(new BlobStatus(true, 1));

    public Task<BlobAppend> AppendAsync(TenantId tenant, BlobHash hash, long sizeBytes, long offset, Stream content, CancellationToken cancellationToken) =>
        throw new NotSupportedException("The data plane uploads nothing.");

    public Task<PackageFile> AdoptAsync(TenantId tenant, string localPath, string name, CancellationToken cancellationToken) =>
        throw new NotSupportedException("The data plane derives nothing.");

    public string? Materialise(BlobHash hash) => "/blobs/" + hash;

    public Task<string?> FetchAsync(BlobHash hash, CancellationToken cancellationToken) => Task.FromResult(Materialise(hash));

    public Task<string> MaterialiseAsync(Package package, CancellationToken cancellationToken) =>
        Fault is { } fault ? Task.FromException<string>(fault) : Task.FromResult(Folder ?? "/packages/" + package.Files[0].Hash);

    public Task<long> SweepAsync(DateTimeOffset olderThan, CancellationToken cancellationToken) => Task.FromResult(0L);

    public Task<PackageFile?> FindAsync(TenantId tenant, BlobHash package, string key, CancellationToken cancellationToken)
    {
        Interlocked.Increment(ref _lookups);
        return Task.FromResult(_derived.GetValueOrDefault((tenant, package, key)));
    }

    public Task<bool> AnyAsync(TenantId tenant, BlobHash package, CancellationToken cancellationToken) =>
        Task.FromResult(_derived.Keys.Any(k => k.Item1 == tenant && k.Item2 == package));

    public Task SaveAsync(TenantId tenant, BlobHash package, string key, PackageFile file, CancellationToken cancellationToken)
    {
        _derived[(tenant, package, key)] = file;
        return Task.CompletedTask;
    }
}

internal sealed class InMemoryKeys : IAccessKeys
{
    private readonly ConcurrentDictionary<string, AccessKey> _keys = new(StringComparer.Ordinal);

    public Task<AccessKey?> FindAsync(string id, CancellationToken cancellationToken) => Task.FromResult(_keys.GetValueOrDefault(id));

    public Task<ImmutableArray<AccessKey>> ListAsync(TenantId tenant, CancellationToken cancellationToken) =>
        Task.FromResult(_keys.Values.Where(k => k.Tenant == tenant).ToImmutableArray());

    public Task AddAsync(AccessKey key, CancellationToken cancellationToken)
    {
        _keys[key.Id] = key;
        return Task.CompletedTask;
    }

    public Task<bool> RemoveAsync(TenantId tenant, string id, CancellationToken cancellationToken) => Task.FromResult(_keys.TryRemove(id, out _));
}

internal sealed class NoInspector : IModelInspector
{
    public Task<Inspection> InspectAsync(InspectionRequest request, CancellationToken cancellationToken) =>
        Task.FromResult<Inspection>(new Inspection.Unavailable("no worker in this test"));
}

/// <summary>Ids that count, in the form of UUIDv7.</summary>
internal sealed class CountingIds : IIdSource
{
    private int _last;

    public Guid NewId()
    {
        var number = Interlocked.Increment(ref _last);
        return new Guid(0x01990000, 0, 0x7000, 0x80, 0, (byte)(number >> 24), 0, (byte)(number >> 16), 0, (byte)(number >> 8), (byte)number);
    }
}

/// <summary>Nobody reports to anybody.</summary>
internal sealed class NoDestinations : IDestinationStore
{
    public Task<Destination?> FindAsync(TenantId tenant, string name, CancellationToken cancellationToken) => Task.FromResult<Destination?>(null);

    public Task<ImmutableArray<Destination>> ListAsync(TenantId tenant, CancellationToken cancellationToken) => Task.FromResult(ImmutableArray<Destination>.Empty);

    public Task<bool> AddAsync(Destination destination, CancellationToken cancellationToken) => throw new NotSupportedException("The test has no destinations.");

    public Task<Destination?> ChangeAsync(TenantId tenant, string name, Func<Destination, Destination> change, CancellationToken cancellationToken) => Task.FromResult<Destination?>(null);

    public Task<bool> RemoveAsync(TenantId tenant, string name, CancellationToken cancellationToken) => Task.FromResult(false);

    public Task<DestinationUse> UseAsync(EndpointId endpoint, CancellationToken cancellationToken) => Task.FromResult(DestinationUse.Nothing);

    public Task SetUseAsync(EndpointId endpoint, DestinationUse use, CancellationToken cancellationToken) => throw new NotSupportedException("The test has no destinations.");

    public Task<ImmutableArray<EndpointId>> UsersAsync(TenantId tenant, string reference, CancellationToken cancellationToken) => Task.FromResult(ImmutableArray<EndpointId>.Empty);

    public Task<bool> IsAnyAsync(CancellationToken cancellationToken) => Task.FromResult(false);

    public Task<ImmutableArray<DueLane>> LanesAsync(CancellationToken cancellationToken) => Task.FromResult(ImmutableArray<DueLane>.Empty);

    public Task<ImmutableArray<Delivery>> TakeAsync(IReadOnlyList<DeliveryWish> wishes, DateTimeOffset now, DateTimeOffset until, CancellationToken cancellationToken) =>
        Task.FromResult(ImmutableArray<Delivery>.Empty);

    public Task<bool> EndAsync(Delivery taken, DeliveryVerdict verdict, DateTimeOffset now, CancellationToken cancellationToken) => Task.FromResult(false);

    public Task<ImmutableArray<Delivery>> OfAsync(TenantId tenant, InvocationId invocation, CancellationToken cancellationToken) => Task.FromResult(ImmutableArray<Delivery>.Empty);

    public Task<ImmutableArray<Delivery>> ListAsync(DeliveryFilter filter, CancellationToken cancellationToken) => Task.FromResult(ImmutableArray<Delivery>.Empty);

    public Task<int> RedriveAsync(TenantId tenant, long? number, string? to, DateTimeOffset now, int limit, CancellationToken cancellationToken) => Task.FromResult(0);
}

/// <summary>Nobody has any.</summary>
internal sealed class NoSecrets : ISecretStore
{
    public Task<bool> SetAsync(TenantId tenant, string name, ReadOnlyMemory<byte> value, DateTimeOffset now, CancellationToken cancellationToken) => throw new NotSupportedException("The test has no secrets.");

    public Task<ImmutableArray<Secret>> ListAsync(TenantId tenant, CancellationToken cancellationToken) => Task.FromResult(ImmutableArray<Secret>.Empty);

    public Task<bool> RemoveAsync(TenantId tenant, string name, CancellationToken cancellationToken) => Task.FromResult(false);

    public Task<ImmutableArray<OpenedSecret>> OpenAsync(TenantId tenant, ImmutableArray<string> names, CancellationToken cancellationToken) =>
        Task.FromResult<ImmutableArray<OpenedSecret>>([.. names.Select(n => new OpenedSecret.Missing { Name = n })]);
}

/// <summary>Nothing feeds anything.</summary>
internal sealed class NoTriggers : ITriggerStore
{
    public Task<ImmutableArray<Trigger>> AllAsync(CancellationToken cancellationToken) => Task.FromResult(ImmutableArray<Trigger>.Empty);

    public Task<ImmutableArray<Trigger>> ListAsync(TenantId tenant, CancellationToken cancellationToken) => Task.FromResult(ImmutableArray<Trigger>.Empty);

    public Task<Trigger?> FindAsync(TenantId tenant, string name, CancellationToken cancellationToken) => Task.FromResult<Trigger?>(null);

    public Task<bool> AddAsync(Trigger trigger, CancellationToken cancellationToken) => throw new NotSupportedException("The test has no triggers.");

    public Task<Trigger?> ChangeAsync(TenantId tenant, string name, Func<Trigger, Trigger> change, CancellationToken cancellationToken) => Task.FromResult<Trigger?>(null);

    public Task<Trigger?> RemoveAsync(TenantId tenant, string name, CancellationToken cancellationToken) => Task.FromResult<Trigger?>(null);

    public Task MarkAsync(TriggerId trigger, string mark, CancellationToken cancellationToken) => Task.CompletedTask;

    public Task ReportAsync(TriggerId trigger, string? error, DateTimeOffset at, CancellationToken cancellationToken) => Task.CompletedTask;
}
