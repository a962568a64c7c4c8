using Dormouse.Core.Endpoints;
using Dormouse.Core.Queues;

namespace Dormouse.Storage.Sql;

/// <summary>An item that is to be accepted where fewer than <paramref name="QueuedMax"/> wait.</summary>
internal readonly record struct NewWish(NewQueueItem Added, long QueuedMax);

/// <summary>
/// Accepts who wait to be accepted at the same time: those without group and trigger with as few statements as the store can do it with, then those that have to be looked at one by one.
/// </summary>
internal static class QueueAcceptance
{
    private const string KnownColumns = $"{QueueRows.Columns}, i.idempotency_key, i.idempotency_hash, i.idempotency_until";

    private const string KnownQuery = $"SELECT {KnownColumns} FROM queue_items i WHERE i.endpoint_id = $endpoint AND i.idempotency_key = $key";

    /// <summary>One step into the index for each key, however many items the database guesses that there are.</summary>
    private const string KnownSetQuery =
        $"""
        SELECT {KnownColumns} FROM unnest($endpoints, $keys) AS g (endpoint_id, idempotency_key) CROSS JOIN LATERAL (
            SELECT * FROM queue_items q WHERE q.endpoint_id = g.endpoint_id AND q.idempotency_key = g.idempotency_key AND q.idempotency_key IS NOT NULL LIMIT 1) i
        """;

    public static Acceptance[] AcceptAll(SqlSession session, IReadOnlyList<NewWish> wishes)
    {
        var together = Together.Of(session, [.. wishes.Where(IsPlain)]);
        var outcomes = new Acceptance?[wishes.Count];
        for (var i = 0; i < wishes.Count; i++)
        {
            outcomes[i] = IsPlain(wishes[i]) ? together.Accept(wishes[i]) : null;
        }

        together.Store();
        for (var i = 0; i < wishes.Count; i++)
        {
            outcomes[i] ??= AcceptAlone(session, wishes[i]);
        }

        return outcomes!;
    }

    private static bool IsPlain(NewWish wish) => wish.Added.Trigger is null && wish.Added.Item.Group is null;

    private static Acceptance AcceptAlone(SqlSession session, NewWish wish)
    {
        var added = wish.Added;
        var alone = Together.Of(session, [wish]);
        var acceptance = alone.Accept(wish);
        alone.Store();
        if (added.Trigger is not { } progress)
        {
            return acceptance;
        }

        switch (acceptance)
        {
            case Acceptance.Accepted:
                SqlTriggers.Fired(session, progress, added.Item.Id, isNew: true);
                break;
            case Acceptance.Known known:
                SqlTriggers.Fired(session, progress, known.Item.Id, isNew: false);
                break;
            case Acceptance.KeyReused reused:
                SqlTriggers.Fired(session, progress, reused.First, isNew: false);
                break;
            default:
                break;
        }

        return acceptance;
    }

    /// <summary>Asks for the items that have the same keys, however old.</summary>
    private static IEnumerable<SqlQuestion<(string Key, KeyHolder Holder)>> Known(SqlSession session, List<NewQueueItem> keyed)
    {
        if (keyed.Count < 2 || !session.TakesArrays)
        {
            return keyed.Select(k => new SqlQuestion<(string, KeyHolder)>(KnownQuery, Read, ("$endpoint", k.Item.Endpoint.Value), ("$key", k.Idempotency!.Key))); // Those that have one.
        }

        Guid[] endpoints = [.. keyed.Select(k => k.Item.Endpoint.Value)];
        string[] keys = [.. keyed.Select(k => k.Idempotency!.Key)];
        return [new(KnownSetQuery, Read, ("$endpoints", endpoints), ("$keys", keys))];
    }

    private static (string Key, KeyHolder Holder) Read(System.Data.Common.DbDataReader r)
    {
        var row = QueueRows.Read(r);
        return (r.GetString(QueueRows.ColumnCount), new KeyHolder(row.Item, row.Sequence, r.GetFieldValue<byte[]>(QueueRows.ColumnCount + 1), r.Time(QueueRows.ColumnCount + 2)));
    }

    /// <summary>Who has a key, and until when.</summary>
    /// <param name="Sequence">Null = it comes to be in this transaction.</param>
    private sealed record KeyHolder(QueueItem Item, long? Sequence, ReadOnlyMemory<byte> Digest, DateTimeOffset Until);

    /// <summary>Decides of one after the other, as if each were stored at once, and stores those that are accepted.</summary>
    private sealed class Together
    {
        private readonly SqlSession _session;
        private readonly Dictionary<(EndpointId, string), KeyHolder> _holders = [];
        private readonly List<NewQueueItem> _accepted = [];
        private readonly Dictionary<EndpointId, long> _queued = [];

        /// <summary>Endpoints of which an item waits that may run; only of those of which one is wished to be taken at once.</summary>
        private readonly HashSet<EndpointId> _due = [];

        private Together(SqlSession session) => _session = session;

        /// <summary>With all that has to be known of the store, which is asked for at once.</summary>
        public static Together Of(SqlSession session, IReadOnlyList<NewWish> wishes)
        {
            var together = new Together(session);
            var known = Known(session, [.. wishes.Where(w => w.Added.Idempotency is not null).Select(w => w.Added)]).ToList();
            var (depths, queued) = (new Dictionary<EndpointId, SqlQuestion<QueueDepth>>(), new Dictionary<EndpointId, SqlQuestion<long>>());
            foreach (var item in wishes.Where(w => w.Added.AtOnce is not null).Select(w => w.Added.Item))
            {
                depths.TryAdd(item.Endpoint, QueueLeases.Depth(item.Endpoint, item.AcceptedAt));
            }

            foreach (var endpoint in wishes.Select(w => w.Added.Item.Endpoint).Where(e => !depths.ContainsKey(e)))
            {
                queued.TryAdd(endpoint, QueueRows.Queued(endpoint));
            }

            session.Ask([.. known, .. depths.Values, .. queued.Values]);
            foreach (var (key, holder) in known.SelectMany(k => k.Rows))
            {
                together._holders[(holder.Item.Endpoint, key)] = holder;
            }

            foreach (var (endpoint, asked) in queued)
            {
                together._queued[endpoint] = asked.Rows.FirstOrDefault();
            }

            foreach (var (endpoint, asked) in depths)
            {
                var depth = asked.Rows.FirstOrDefault();
                together._queued[endpoint] = depth?.Queued ?? 0;
                if (depth?.OldestDue is not null)
                {
                    together._due.Add(endpoint);
                }
            }

            return together;
        }

        public Acceptance Accept(NewWish wish)
        {
            var (added, item) = (wish.Added, wish.Added.Item);
            var holder = added.Idempotency is { } wanted ? _holders.GetValueOrDefault((item.Endpoint, wanted.Key)) : null;
            if (holder is not null && holder.Until > item.AcceptedAt)
            {
                return added.Idempotency!.Digest.Span.SequenceEqual(holder.Digest.Span) ? new Acceptance.Known(holder.Item) : new Acceptance.KeyReused(holder.Item.Id);
            }

            var queued = _queued[item.Endpoint];
            if (queued >= wish.QueuedMax)
            {
                return new Acceptance.Full(queued);
            }

            var isTaken = false;
            if (added.AtOnce is { } atOnce && !_due.Contains(item.Endpoint))
            {
                (isTaken, item) = (true, item.Taken(atOnce.Owner, atOnce.Until));
            }
            else
            {
                _queued[item.Endpoint] = queued + 1;
                if (item.NotBefore <= item.AcceptedAt)
                {
                    _due.Add(item.Endpoint);
                }
            }

            if (added.Idempotency is { } key)
            {
                if (holder?.Sequence is { } over)
                {
                    _session.Later("UPDATE queue_items SET idempotency_key = NULL, idempotency_hash = NULL, idempotency_until = NULL WHERE sequence = $sequence", ("$sequence", over));
                }

                _holders[(item.Endpoint, key.Key)] = new KeyHolder(item, null, key.Digest, key.Until);
            }

            _accepted.Add(added with { Item = item });
            return new Acceptance.Accepted(isTaken ? item : null);
        }

        public void Store()
        {
            if (_accepted.Count > 0)
            {
                QueueRows.InsertAll(_session, _accepted);
            }
        }
    }
}
