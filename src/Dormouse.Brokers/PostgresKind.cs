using System.Collections.Immutable;
using Dormouse.Brokers.Outlets;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Events;

namespace Dormouse.Brokers;

/// <summary>Rows of a table in somebody's PostgreSQL database.</summary>
internal sealed class PostgresKind(TimeProvider time) : IEventSourceKind
{
    private static readonly TimeSpan IntervalDefault = TimeSpan.FromSeconds(5);

    public string Name => "postgres";

    public ImmutableArray<SourceKey> Keys { get; } =
    [
        new("url", true, "address such as postgres://user@127.0.0.1:5432/database?sslmode=require"), new("table", true, "name of the table, also with its schema: sales.outbox"),
        new("id", false, "column that tells rows apart, its primary key. Default: id"), new("payload", false, "column that is the event's data: json, text or bytea. Default: payload"),
        new("after", false, "delete a row that is queued, or mark it. Default: delete"), new("mark", false, "column of the type timestamptz that marking sets; rows where it is null are waiting. Default: done_at"),
        new("channel", false, "channel whose NOTIFY says that there are rows. Default: none, the table is asked"),
        new("interval", false, "how often the table is asked, 1s to 12h. Default: 5s"), SourceText.PasswordKey,
    ];

    public bool IsPulled => true;

    public string? Fault(Trigger trigger) => SourceText.AddressFault(trigger, "postgres", "postgresql")
        ?? (trigger.Value("after", "delete") is not ("delete" or "mark") ? $"'after' is '{ShownText.Of(trigger.Source["after"])}'; allowed is delete or mark." : null)
        ?? (trigger.Source.ContainsKey("mark") && trigger.Value("after", "delete") != "mark" ? "'mark' means nothing without 'after=mark'." : null)
        ?? (PostgresAddressFault(trigger) is { } fault ? fault : SourceText.TryTime(trigger, "interval", IntervalDefault, out _, out var badTime) ? null : badTime);

    public Task<IEventSource> OpenAsync(Trigger trigger, CancellationToken cancellationToken)
    {
        _ = SourceText.TryTime(trigger, "interval", IntervalDefault, out var interval, out _);
        return PostgresSource.OpenAsync(trigger, interval, time, cancellationToken);
    }

    private static string? PostgresAddressFault(Trigger trigger) => new Uri(trigger.Value("url", "")) is var url && url.AbsolutePath.Trim('/').Length == 0
        ? "'url' names no database; an address such as postgres://user@127.0.0.1:5432/database does."
        : OutletUrl.Query(url).Keys.FirstOrDefault(k => k is not ("sslmode" or "host")) is { } unknown ? $"'url' has '{ShownText.Of(unknown)}' in its query; it may have sslmode and host."
        : null;
}
