using System.Data.Common;
using Dormouse.Core.Destinations;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Queues;

namespace Dormouse.Storage.Sql;

/// <summary>Deliveries as rows, and what the changes of queue items do to them.</summary>
internal static class DeliveryRows
{
    public const string Columns = "number, tenant_id, invocation_id, endpoint_id, target, outcome, created_at, next_at, state, attempts, status, reason, ended_at";

    public static Delivery Read(DbDataReader r) =>
        new(r.GetInt64(0), new TenantId(r.GetString(1)), new InvocationId(r.Id(2)), new EndpointId(r.Id(3)), r.GetString(4), Codes.QueueStates.Value(r.GetString(5)), r.Time(6), r.Time(7))
        {
            State = Codes.DeliveryStates.Value(r.GetString(8)),
            Attempts = r.GetInt32(9),
            Status = r.IsDBNull(10) ? null : r.GetInt32(10),
            Reason = r.Text(11),
            EndedAt = r.IsDBNull(12) ? null : r.Time(12),
        };

    public static void Change(SqlSession session, Delivery next) => session.Execute(
        "UPDATE deliveries SET next_at = $next, state = $state, attempts = $attempts, status = $status, reason = $reason, ended_at = $ended WHERE number = $number",
        ("$next", StoredTime.ToMicroseconds(next.NextAt)),
        ("$state", Codes.DeliveryStates.Text(next.State)),
        ("$attempts", next.Attempts),
        ("$status", next.Status),
        ("$reason", next.Reason),
        ("$ended", next.EndedAt is { } ended ? StoredTime.ToMicroseconds(ended) : null),
        ("$number", next.Number));

    /// <summary>An item that has ended is reported; one that begins anew takes back what was not reported yet of its end before.</summary>
    /// <param name="use">Where its endpoint reports outcomes; null = it has not been read.</param>
    public static void ItemChanged(SqlSession session, long sequence, QueueItem next, DestinationUse? use)
    {
        if (next.State.IsLive())
        {
            session.Later("DELETE FROM deliveries WHERE item_sequence = $sequence AND state <> 'delivered'", ("$sequence", sequence));
        }
        else if (next.EndedAt is { } ended && Delivery.TargetOf(next, use ?? Use(session, next.Endpoint)) is { } target)
        {
            session.Later(
                """
                INSERT INTO deliveries (item_sequence, tenant_id, invocation_id, endpoint_id, target, outcome, created_at, next_at, state, attempts)
                VALUES ($sequence, $tenant, $invocation, $endpoint, $target, $outcome, $ended, $ended, 'pending', 0)
                """,
                ("$sequence", sequence),
                ("$tenant", next.Tenant.Value),
                ("$invocation", next.Id.Value),
                ("$endpoint", next.Endpoint.Value),
                ("$target", target),
                ("$outcome", Codes.QueueStates.Text(next.State)),
                ("$ended", StoredTime.ToMicroseconds(ended)));
        }
    }

    public static DestinationUse Use(SqlSession session, EndpointId endpoint) =>
        session.First(
            "SELECT on_success, on_failure FROM destination_uses WHERE endpoint_id = $endpoint",
            r => new DestinationUse(r.Text(0), r.Text(1)), ("$endpoint", endpoint.Value)) ?? DestinationUse.Nothing;
}
