using System.Collections.Immutable;
using Dormouse.Core.Access;
using Dormouse.Core.Dispatch;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Usage;

namespace Dormouse.Storage.Tests.Support;

/// <summary>The model of a store: lists, and sums made anew for every question.</summary>
internal sealed class InMemoryStore
{
    private readonly Dictionary<EndpointId, string> _names = [];
    private readonly Dictionary<RevisionId, string> _overflowHosts = [];

    public InMemoryStore()
    {
        Catalogue = new InMemoryCatalogue(_names.Add, _overflowHosts.Add);
        Ledger = new InMemoryLedger(_names, _overflowHosts);
    }

    public ICatalogue Catalogue { get; }

    public ILedger Ledger { get; }

    public IAccessKeys Keys { get; } = new InMemoryKeys();
}

internal sealed class InMemoryLedger(Dictionary<EndpointId, string> names, Dictionary<RevisionId, string> overflowHosts) : ILedger
{
    private readonly List<Receipt> _receipts = [];

    /// <summary>Set to make every append fail.</summary>
    public Exception? Failure { get; set; }

    public Task AppendAsync(IReadOnlyList<Receipt> receipts, CancellationToken cancellationToken)
    {
        lock (_receipts)
        {
            if (Failure is { } failure)
            {
                return Task.FromException(failure);
            }

            foreach (var receipt in receipts)
            {
                if (!_receipts.Any(r => r.ServerId == receipt.ServerId && r.Sequence == receipt.Sequence))
                {
                    _receipts.Add(receipt);
                }
            }
        }

        return Task.CompletedTask;
    }

    public Task<Receipt?> FindAsync(TenantId tenant, InvocationId invocation, CancellationToken cancellationToken) =>
        Task.FromResult(Receipts(tenant).FirstOrDefault(r => r.Invocation == invocation));

    public Task<ImmutableArray<Receipt>> RecentAsync(TenantId tenant, EndpointId? endpoint, int limit, CancellationToken cancellationToken) =>
        Task.FromResult<ImmutableArray<Receipt>>(
        [
            .. Receipts(tenant)
                .Where(r => endpoint is null || r.Revision.Endpoint == endpoint)
                .OrderByDescending(r => r.StartedAt)
                .ThenByDescending(r => r.ServerId.ToString("N"), StringComparer.Ordinal)
                .ThenByDescending(r => r.Sequence)
                .Take(limit),
        ]);

    public Task<ImmutableArray<Receipt>> PageAsync(
        TenantId tenant, EndpointId? endpoint, DateTimeOffset from, DateTimeOffset to, ReceiptPosition? after, int limit, CancellationToken cancellationToken) =>
        Task.FromResult<ImmutableArray<Receipt>>(
        [
            .. Receipts(tenant)
                .Where(r => (endpoint is null || r.Revision.Endpoint == endpoint) && r.StartedAt >= from && r.StartedAt < to)
                .OrderBy(r => r.StartedAt)
                .ThenBy(r => r.ServerId.ToString("N"), StringComparer.Ordinal)
                .ThenBy(r => r.Sequence)
                .SkipWhile(r => after is { } last && !(r.StartedAt == last.StartedAt && r.ServerId == last.ServerId && r.Sequence == last.Sequence))
                .Skip(after is null ? 0 : 1)
                .Take(limit),
        ]);

    public Task<ImmutableArray<UsageTotal>> TotalsAsync(
        TenantId tenant, EndpointId? endpoint, DateTimeOffset from, DateTimeOffset to, CancellationToken cancellationToken) =>
        Task.FromResult<ImmutableArray<UsageTotal>>(
        [
            .. Receipts(tenant)
                .Where(r => endpoint is null || r.Revision.Endpoint == endpoint)
                .GroupBy(r => (Hour: HourOf(r.StartedAt), r.Revision.Endpoint, r.Line))
                .Where(g => g.Key.Hour >= from && g.Key.Hour < to)
                .OrderBy(g => g.Key.Hour)
                .ThenBy(g => g.Key.Endpoint.ToString(), StringComparer.Ordinal)
                .ThenBy(g => g.Key.Line)
                .Select(g => Total(tenant, g.Key.Endpoint, g.Key.Hour, g.Key.Line, [.. g])),
        ]);

    public Task<string?> EndpointNameAsync(EndpointId endpoint, CancellationToken cancellationToken) => Task.FromResult(names.GetValueOrDefault(endpoint));

    public Task<string?> OverflowHostAsync(RevisionId revision, CancellationToken cancellationToken) => Task.FromResult(overflowHosts.GetValueOrDefault(revision));

    public Task<ImmutableArray<string>> CheckAsync(DateTimeOffset? since, CancellationToken cancellationToken) => Task.FromResult<ImmutableArray<string>>([]);

    private static DateTimeOffset HourOf(DateTimeOffset time) => new(time.Year, time.Month, time.Day, time.Hour, 0, 0, TimeSpan.Zero);

    private static UsageTotal Total(TenantId tenant, EndpointId endpoint, DateTimeOffset hour, ReceiptLine line, List<Receipt> receipts) => new()
    {
        Tenant = tenant,
        Endpoint = endpoint,
        Hour = hour,
        Line = line,
        Invocations = line == ReceiptLine.ProvisionedTime ? 0 : receipts.Count,
        ColdStarts = receipts.Count(r => r.Start == StartKind.Cold),
        Failures = line == ReceiptLine.ProvisionedTime ? 0 : receipts.Count(r => r.Outcome is not (Outcome.Completed or Outcome.Rejected or Outcome.CallerLeft)),
        RunMicroseconds = receipts.Sum(r => r.Times.RunMicroseconds),
        CpuMicroseconds = receipts.Sum(r => r.CpuMicroseconds),
        BilledMilliseconds = receipts.Sum(r => r.BilledMilliseconds),
        MibMicroseconds = receipts.Aggregate((Int128)0, (sum, r) => sum + ((Int128)r.MemoryMib * 1_000 * r.BilledMilliseconds)),
        PricePico = receipts.Aggregate((Int128)0, (sum, r) => sum + r.PricePico),
    };

    private List<Receipt> Receipts(TenantId tenant)
    {
        lock (_receipts)
        {
            return [.. _receipts.Where(r => r.Tenant == tenant)];
        }
    }
}

internal sealed class InMemoryKeys : IAccessKeys
{
    private readonly List<AccessKey> _keys = [];

    public Task<AccessKey?> FindAsync(string id, CancellationToken cancellationToken) => Task.FromResult(_keys.SingleOrDefault(k => k.Id == id));

    public Task<ImmutableArray<AccessKey>> ListAsync(TenantId tenant, CancellationToken cancellationToken) =>
        Task.FromResult<ImmutableArray<AccessKey>>([.. _keys.Where(k => k.Tenant == tenant).OrderBy(k => k.CreatedAt).ThenBy(k => k.Id, StringComparer.Ordinal)]);

    public Task AddAsync(AccessKey key, CancellationToken cancellationToken)
    {
        _keys.Add(key);
        return Task.CompletedTask;
    }

    public Task<bool> RemoveAsync(TenantId tenant, string id, CancellationToken cancellationToken) =>
        Task.FromResult(_keys.RemoveAll(k => k.Tenant == tenant && k.Id == id) > 0);
}
