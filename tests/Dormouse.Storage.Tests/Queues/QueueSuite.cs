using System.Collections.Immutable;
using System.Globalization;
using System.Text;
using CsCheck;
using Dormouse.Core.Dispatch;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Queues;
using Dormouse.Storage.Postgres;
using Dormouse.Storage.Tests.Support;

namespace Dormouse.Storage.Tests.Queues;

internal enum QueueStepKind
{
    Accept,
    AcceptWithKey,

    /// <summary>Several without group by callers who wait at the same time, some with keys, the same ones among them.</summary>
    AcceptMany,
    Lease,
    Extend,
    Succeed,
    Fail,
    Again,
    TakeOver,
    Reclaim,
    Cancel,
    CancelAll,
    Redrive,
    RedriveDead,
    Edit,
    Expire,
    Sweep,

    /// <summary>The store is closed and opened again; the model does nothing.</summary>
    Reopen,
}

/// <summary>One generated operation; what its numbers mean depends on the kind. Time goes on by <see cref="Seconds"/> before it, or jumps back.</summary>
internal sealed record QueueStep(QueueStepKind Kind, int Endpoint, int Item, int Choice, int Seconds);

/// <summary>What every store of the queue must do: answer each generated operation as the model does, and show the same afterwards.</summary>
public abstract class QueueSuite
{
    private static readonly Gen<QueueStep> Steps = Gen.Select(
        Gen.Frequency(
            (9, Gen.Const(QueueStepKind.Accept)),
            (3, Gen.Const(QueueStepKind.AcceptWithKey)),
            (3, Gen.Const(QueueStepKind.AcceptMany)),
            (9, Gen.Const(QueueStepKind.Lease)),
            (4, Gen.Const(QueueStepKind.Succeed)),
            (4, Gen.Const(QueueStepKind.Fail)),
            (4, Gen.Const(QueueStepKind.Again)),
            (2, Gen.Const(QueueStepKind.Redrive)),
            (3, Gen.Const(QueueStepKind.Edit)),
            (7, Gen.OneOf(
                QueueStepKind.Extend, QueueStepKind.TakeOver, QueueStepKind.Reclaim, QueueStepKind.Cancel, QueueStepKind.CancelAll, QueueStepKind.RedriveDead, QueueStepKind.Expire, QueueStepKind.Sweep,
                QueueStepKind.Reopen))),
        Gen.Int[0, 2],
        Gen.Int[0, 14],
        Gen.Int[0, 11],
        Gen.Frequency((9, Gen.Int[0, 30]), (1, Gen.Int[-100, 100_000])),
        (kind, endpoint, item, choice, seconds) => new QueueStep(kind, endpoint, item, choice, seconds));

    [Fact]
    public async Task Any_sequence_of_operations_shows_the_same_as_the_model()
    {
        await Steps.Array[1, 60].SampleAsync(CompareAsync, iter: 120, threads: 2);
    }

    /// <summary>Null = SQLite.</summary>
    private protected virtual Task<PostgresAddress?> NewAddressAsync() => Task.FromResult<PostgresAddress?>(null);

    private async Task CompareAsync(QueueStep[] steps)
    {
        var expected = new QueueRun(new InMemoryQueue());
        await using var store = await StoreUnderTest.OpenAsync(await NewAddressAsync());
        var actual = new QueueRun(store.Queue);
        for (var index = 0; index < steps.Length; index++)
        {
            if (steps[index].Kind == QueueStepKind.Reopen)
            {
                await store.ReopenAsync();
                actual.Store = store.Queue;
            }

            Assert.Equal(await expected.ApplyAsync(steps[index], index), await actual.ApplyAsync(steps[index], index));
        }

        Assert.Equal(await expected.ShowAsync(), await actual.ShowAsync());
    }
}

/// <summary>Interprets steps on one store and writes down all that can be seen, as text that can be compared.</summary>
internal sealed class QueueRun(IQueueStore store)
{
    private static readonly (TenantId Tenant, EndpointId Endpoint)[] Endpoints =
        [(TenantId.Default, new(CountingIds.Id(1))), (TenantId.Default, new(CountingIds.Id(2))), (new("team-b"), new(CountingIds.Id(3)))];

    private static readonly Guid[] Servers = [CountingIds.Id(71), CountingIds.Id(72)];

    private readonly List<InvocationId> _ids = [];
    private readonly List<QueueLease> _leases = [];
    private DateTimeOffset _now = Samples.Noon;

    public IQueueStore Store { get; set; } = store;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public async Task<string> ApplyAsync(QueueStep step, int index)
    {
        _now += TimeSpan.FromSeconds(step.Seconds);
        var (tenant, endpoint) = Endpoints[step.Endpoint];
        var id = _ids.Count == 0 ? new InvocationId(CountingIds.Id(999)) : _ids[step.Item % _ids.Count];
        var lease = _leases.Count == 0 ? new QueueLease(id, 1) : _leases[step.Item % _leases.Count];
        return step.Kind switch
        {
            QueueStepKind.Accept => await AcceptAsync([Item(step, index, null)]),
            QueueStepKind.AcceptWithKey => await AcceptAsync([Item(step, index, Key(step.Item, step.Choice))]),
            QueueStepKind.AcceptMany => await AcceptAsync(Many(step, index)),
            QueueStepKind.Lease => await LeaseAsync(step),
            QueueStepKind.Extend => string.Join(' ', await Store.ExtendAsync([lease, .. _leases], _now.AddSeconds(60), Cancellation)),
            QueueStepKind.Succeed => Text(await Store.EndAsync(lease, new QueueVerdict.Finished(QueueState.Succeeded, Answer(200, step), null), null, _now, Cancellation)),
            QueueStepKind.Fail => Text(await Store.EndAsync(
                lease, new QueueVerdict.Finished(step.Choice % 2 == 0 ? QueueState.Dead : QueueState.Failed, Answer(500, step), "why " + step.Choice), null, _now, Cancellation)),
            QueueStepKind.Again => Text(await Store.EndAsync(lease, new QueueVerdict.Again(_now.AddSeconds(step.Choice), step.Choice % 2 == 0, "again"), null, _now, Cancellation)),
            QueueStepKind.TakeOver => string.Join(' ', await Store.TakeOverAsync(Servers[step.Choice % 2], step.Choice < 6 ? null : _now, _now, Cancellation)),
            QueueStepKind.Reclaim => string.Join(' ', await Store.ReclaimAsync(Servers[step.Choice % 2], _now, Cancellation)),
            QueueStepKind.Cancel => Text(await Store.CancelAsync(tenant, id, _now, Cancellation)),
            QueueStepKind.CancelAll => string.Join(' ', (await Store.CancelAllAsync(endpoint, "deleted", _now, 100, Cancellation)).Select(i => i.ToString()).Order(StringComparer.Ordinal)),
            QueueStepKind.Redrive => Text(await Store.RedriveAsync(tenant, id, _now, _now.AddHours(1), Cancellation)),
            QueueStepKind.RedriveDead => Text(await Store.RedriveDeadAsync(tenant, step.Choice % 2 == 0 ? null : endpoint, _now, _now.AddHours(1), 2, Cancellation)),
            QueueStepKind.Edit => Text(await Store.EditAsync(tenant, id, Edit(step, index), "key-" + step.Item, _now, Cancellation)),
            QueueStepKind.Expire => string.Join(' ', await Store.ExpireAsync(_now, 3, Cancellation)),
            QueueStepKind.Sweep => Text(await Store.SweepAsync(_now.AddSeconds(-step.Choice), _now, 3, Cancellation)),
            _ => "",
        };
    }

    /// <summary>Everything that the store shows.</summary>
    public async Task<string> ShowAsync()
    {
        var shown = new StringBuilder();
        foreach (var depth in await Store.DepthsAsync(_now, Cancellation))
        {
            shown.AppendLine(depth.ToString());
        }

        foreach (var (tenant, endpoint) in Endpoints)
        {
            foreach (var filter in (QueueFilter[])[new(tenant, null, null, null, 100), new(tenant, endpoint, QueueState.Dead, null, 2), new(tenant, endpoint, null, 7, 3)])
            {
                foreach (var listed in await Store.ListAsync(filter, Cancellation))
                {
                    var answer = await Store.AnswerAsync(tenant, listed.Item.Id, Cancellation);
                    shown.Append(CultureInfo.InvariantCulture, $"{listed.Position} {Text(listed.Item)} {answer?.Status} {string.Join(',', answer?.Headers ?? [])} ");
                    shown.AppendLine(Convert.ToHexString((answer?.Body ?? default).Span));
                    foreach (var edit in await Store.EditsAsync(tenant, listed.Item.Id, Cancellation))
                    {
                        shown.AppendLine(CultureInfo.InvariantCulture, $"{edit.Number} {edit.By} {edit.At:O} {string.Join(',', edit.Changes)} {edit.BodyBytesBefore} {Text(await Store.RequestAsync(tenant, listed.Item.Id, edit.Number, Cancellation))}");
                    }

                    shown.AppendLine(Text(await Store.RequestAsync(tenant, listed.Item.Id, null, Cancellation)));
                    shown.AppendLine(Text(await Store.RequestAsync(tenant, listed.Item.Id, 11, Cancellation)));
                }
            }
        }

        return shown.ToString();
    }

    /// <summary>At the same time.</summary>
    private async Task<string> AcceptAsync(List<NewQueueItem> items)
    {
        var acceptances = await Task.WhenAll(items.Select(item => Store.AcceptAsync(item, 5, Cancellation)));
        _leases.AddRange(acceptances.OfType<Acceptance.Accepted>().Select(a => a.Leased).OfType<QueueItem>().Select(i => i.Lease));
        return string.Join('\n', acceptances.Select(Text));
    }

    private async Task<string> LeaseAsync(QueueStep step)
    {
        LeaseWish[] wishes = [new(Endpoints[step.Endpoint].Endpoint, 1 + (step.Choice % 3)), new(Endpoints[(step.Endpoint + 1) % 3].Endpoint, 1)];
        var leased = await Store.LeaseAsync(Servers[step.Choice % 2], wishes, _now, _now.AddSeconds(60), Cancellation);
        _leases.AddRange(leased.Items.Select(l => l.Item.Lease));
        return string.Join('\n', leased.Items.Select(l => Text(l.Item) + " " + Convert.ToHexString(l.Body.Span))) + " then " + leased.NextDue;
    }

    private static RequestEdit Edit(QueueStep step, int index) => new()
    {
        // The plain null would become an empty body on its way.
        Body = step.Choice % 2 == 0 ? Encoding.UTF8.GetBytes("edit " + index) : (ReadOnlyMemory<byte>?)null,
        SetHeaders = step.Choice % 3 == 0 ? [KeyValuePair.Create("content-type", "a/b"), KeyValuePair.Create("Y", "ü " + index)] : [],
        RemovedHeaders = step.Choice % 4 == 1 ? ["x"] : [],
        Query = step.Item % 5 == 0 ? "q=" + index : null,
    };

    /// <summary>Of all endpoints, more than there is room for.</summary>
    private List<NewQueueItem> Many(QueueStep step, int index) =>
    [
        .. Enumerable.Range(0, 3 + (step.Item % 6)).Select(i =>
            Item(step with { Endpoint = (step.Endpoint + i) % 3, Choice = 6 + ((step.Choice + i) % 6), Item = (step.Item + i) % 15 }, index, (step.Item + i) % 3 == 0 ? Key(step.Item + (i / 6), step.Choice + (i / 3)) : null, part: i)),
    ];

    private IdempotencyKey Key(int number, int digest) => new("key" + (number % 3), new[] { (byte)(digest % 2) }, _now.AddHours(24));

    private NewQueueItem Item(QueueStep step, int index, IdempotencyKey? key, int part = 0)
    {
        var (tenant, endpoint) = Endpoints[step.Endpoint];
        var id = new InvocationId(CountingIds.Id(1_000 + (16 * index) + part));
        _ids.Add(id);
        ImmutableArray<KeyValuePair<string, string>> headers = step.Choice % 2 == 0 ? [] : [KeyValuePair.Create("Content-Type", "text/plain; x=\"ö\""), KeyValuePair.Create("X", "")];
        var (group, delay) = (step.Choice < 6 ? "g" + (step.Choice % 2) : null, step.Item % 4 == 0 ? 20 : 0);
        return new NewQueueItem(
            new QueueItem
            {
                Id = id,
                Tenant = tenant,
                Endpoint = endpoint,
                Request = new QueuedRequest("POST", step.Choice % 3 == 0 ? null : "/a?b=c", step.Choice % 5 == 0 ? "r2" : null, headers),
                BodyBytes = step.Item,
                Priority = (QueuePriority)(step.Choice % 3),
                Group = group,
                AcceptedAt = _now,
                NotBefore = _now.AddSeconds(delay),
                ExpiresAt = _now.AddSeconds(30 + (step.Item * 100)),
                AttemptsMax = 1 + (step.Choice % 3),
            },
            new byte[step.Item],
            key)
        {
            AtOnce = group is null && delay == 0 && step.Item % 2 == 1 ? new LeaseAtOnce(Servers[step.Choice % 2], _now.AddSeconds(60)) : null,
        };
    }

    private static StoredAnswer Answer(int status, QueueStep step) => new(status, [KeyValuePair.Create("Content-Type", "application/json")], new byte[] { (byte)step.Choice });

    private static string Text(object? value) => value switch
    {
        null => "none",
        QueueItem item => $"{item with { Request = new QueuedRequest("", null, null, []) }} {item.Request.Method} {item.Request.Target} {item.Request.Version} {string.Join(',', item.Request.Headers)}",
        EditOutcome.Edited edited => "edited " + Text(edited.Item),
        WholeRequest whole => $"{whole.Request.Method} {whole.Request.Target} {whole.Request.Version} {string.Join(',', whole.Request.Headers)} {whole.BodyBytes} {(whole.Body is { } body ? Convert.ToHexString(body.Span) : "gone")}",
        Acceptance.Known known => "known " + Text(known.Item),
        Acceptance.Accepted accepted => "accepted " + Text(accepted.Leased),
        _ => value.ToString()!,
    };
}
