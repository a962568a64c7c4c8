using Dormouse.Core.Destinations;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Queues;
using Dormouse.Core.Usage;

namespace Dormouse.Storage.Sql;

/// <summary>What became of an attempt.</summary>
internal readonly record struct AttemptOutcome(QueueLease Lease, QueueVerdict Verdict, Receipt? Receipt, DateTimeOffset At);

/// <summary>Attempts that end at the same time: their receipts, answers and the next states of their items in as few statements as the store can do it with.</summary>
internal static class QueueEnds
{
    /// <summary>For each whether its lease is the item's current one; of the others only the receipt is stored.</summary>
    public static bool[] EndAll(SqlSession session, IReadOnlyList<AttemptOutcome> outcomes)
    {
        var finding = Finding(session, outcomes);
        SqlLedger.Append(session, [.. outcomes.Select(o => o.Receipt).OfType<Receipt>()], finding);
        var items = finding.SelectMany(f => f.Rows).ToDictionary(f => f.Row.Item.Id);
        var (isCurrent, changes, answers) = (new bool[outcomes.Count], new List<QueueChange>(outcomes.Count), new List<(long, StoredAnswer)>());
        for (var i = 0; i < outcomes.Count; i++)
        {
            var (lease, verdict, _, at) = outcomes[i];
            if (!items.TryGetValue(lease.Id, out var found) || found.Row.Item.State != QueueState.Leased || found.Row.Item.Fence != lease.Fence)
            {
                continue;
            }

            // Whoever comes with the same lease once more in this transaction finds it ended.
            items.Remove(lease.Id);
            isCurrent[i] = true;
            changes.Add(new QueueChange(found.Row, found.Row.Item.After(verdict, at), found.Use));
            if (verdict is QueueVerdict.Finished { Answer: { } answer })
            {
                answers.Add((found.Row.Sequence, answer));
            }
        }

        if (changes.Count > 0)
        {
            QueueRows.ChangeAll(session, changes);
            PutAnswers(session, answers);
            ForgetRequests(session, [.. changes.Where(c => c.Next.State == QueueState.Succeeded)]);
        }

        return isCurrent;
    }

    /// <summary>Asks for the items, and for where their endpoints report.</summary>
    private static SqlQuestion<(QueueRow Row, DestinationUse Use)>[] Finding(SqlSession session, IReadOnlyList<AttemptOutcome> outcomes)
    {
        const string Query = $"SELECT {QueueRows.Columns}, u.on_success, u.on_failure FROM queue_items i LEFT JOIN destination_uses u ON u.endpoint_id = i.endpoint_id WHERE i.id";
        if (!session.TakesArrays)
        {
            return [.. outcomes.Select(o => o.Lease.Id).Distinct().Select(id => new SqlQuestion<(QueueRow Row, DestinationUse Use)>(Query + " = $id", Read, ("$id", id.Value)))];
        }

        Guid[] ids = [.. outcomes.Select(o => o.Lease.Id.Value)];
        return [new(Query + " = ANY($ids)", Read, ("$ids", ids))];
    }

    private static (QueueRow Row, DestinationUse Use) Read(System.Data.Common.DbDataReader r) =>
        (QueueRows.Read(r), new DestinationUse(r.Text(QueueRows.ColumnCount), r.Text(QueueRows.ColumnCount + 1)));

    private static void PutAnswers(SqlSession session, List<(long Sequence, StoredAnswer Answer)> answers)
    {
        if (session.TakesArrays)
        {
            QueueRowSets.PutAnswers(session, answers);
            return;
        }

        foreach (var (sequence, answer) in answers)
        {
            session.Later(
                """
                INSERT INTO queue_answers (sequence, status, headers, body) VALUES ($sequence, $status, $headers, $body)
                ON CONFLICT (sequence) DO UPDATE SET status = excluded.status, headers = excluded.headers, body = excluded.body
                """,
                ("$sequence", sequence), ("$status", answer.Status), ("$headers", HeadersJson.Write(answer.Headers)), ("$body", answer.Body.ToArray()));
        }
    }

    /// <summary>Nobody will run them again.</summary>
    private static void ForgetRequests(SqlSession session, List<QueueChange> succeeded)
    {
        if (succeeded.Count == 0)
        {
            return;
        }

        InvocationId[] ids = [.. succeeded.Select(c => c.Row.Item.Id)];
        if (session.TakesArrays)
        {
            long[] sequences = [.. succeeded.Select(c => c.Row.Sequence)];
            SqlPipelines.ForgetAnd(session, ids, "DELETE FROM queue_bodies WHERE sequence = ANY($sequences)", ("$sequences", sequences));
            return;
        }

        succeeded.ForEach(c => session.Later("DELETE FROM queue_bodies WHERE sequence = $sequence", ("$sequence", c.Row.Sequence)));
        SqlPipelines.Forget(session, ids);
    }
}
