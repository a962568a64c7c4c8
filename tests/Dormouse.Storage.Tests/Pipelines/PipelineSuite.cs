using System.Globalization;
using System.Text;
using CsCheck;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Pipelines;
using Dormouse.Core.Queues;
using Dormouse.Storage.Postgres;
using Dormouse.Storage.Tests.Queues;
using Dormouse.Storage.Tests.Support;

namespace Dormouse.Storage.Tests.Pipelines;

internal enum PipelineStepKind
{
    Lease,
    Begin,
    EndCall,
    Pin,
    LoseServer,
    Succeed,
    Die,

    /// <summary>It becomes a dead letter, is changed, and runs anew: from its beginning.</summary>
    Edit,
    Add,

    /// <summary>The store is closed and opened again; the model does nothing.</summary>
    Reopen,
}

internal sealed record PipelineTestStep(PipelineStepKind Kind, int Choice, int Key);

/// <summary>What every store of pipelines' runs must do: answer each generated operation as the model does, and show the same afterwards.</summary>
public abstract class PipelineSuite
{
    private static readonly Gen<PipelineTestStep> Steps = Gen.Select(
        Gen.Frequency(
            (3, Gen.Const(PipelineStepKind.Lease)),
            (8, Gen.Const(PipelineStepKind.EndCall)),
            (10, Gen.OneOf(PipelineStepKind.Begin, PipelineStepKind.Pin, PipelineStepKind.LoseServer, PipelineStepKind.Succeed, PipelineStepKind.Die, PipelineStepKind.Edit, PipelineStepKind.Add, PipelineStepKind.Reopen))),
        Gen.Int[0, 11],
        Gen.Int[0, 3],
        (kind, choice, key) => new PipelineTestStep(kind, choice, key));

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Any_sequence_of_operations_shows_the_same_as_the_model() => await Steps.Array[1, 50].SampleAsync(CompareAsync, iter: 15, threads: 2);

    /// <summary>Null = SQLite.</summary>
    private protected virtual Task<PostgresAddress?> NewAddressAsync() => Task.FromResult<PostgresAddress?>(null);

    private async Task CompareAsync(PipelineTestStep[] steps)
    {
        var queue = new InMemoryQueue();
        var memory = new InMemoryPipelines { IsHeld = l => queue.FindAsync(TenantId.Default, l.Id, Cancellation).GetAwaiter().GetResult() is { State: QueueState.Leased } item && item.Fence == l.Fence };
        var expected = new PipelineStoreRun(memory, queue) { Forget = memory.Forget };
        await using var store = await StoreUnderTest.OpenAsync(await NewAddressAsync());
        var actual = new PipelineStoreRun(store.Pipelines, store.Queue);
        await expected.BeginAsync();
        await actual.BeginAsync();
        foreach (var step in steps)
        {
            if (step.Kind == PipelineStepKind.Reopen)
            {
                await store.ReopenAsync();
                (actual.Store, actual.Queue) = (store.Pipelines, store.Queue);
            }

            Assert.Equal(await expected.ApplyAsync(step), await actual.ApplyAsync(step));
        }

        Assert.Equal(await expected.ShowAsync(), await actual.ShowAsync());
    }
}

/// <summary>Interprets steps on one store and writes down all that can be seen, as text that can be compared.</summary>
internal sealed class PipelineStoreRun(IPipelineStore store, IQueueStore queue)
{
    private static readonly string[] Keys = ["split", "each[0]", "each[1]", "outer/ünner"];

    private static readonly Guid Owner = CountingIds.Id(71);

    private static readonly EndpointId Endpoint = new(CountingIds.Id(5));

    private static readonly InvocationId[] Runs = [new(CountingIds.Id(3_001)), new(CountingIds.Id(3_002))];

    private readonly List<QueueLease> _leases = [];
    private DateTimeOffset _now = Samples.Noon;

    public IPipelineStore Store { get; set; } = store;

    public IQueueStore Queue { get; set; } = queue;

    /// <summary>What the model needs to be told: there, the queue and the runs are stores of their own.</summary>
    public Action<InvocationId> Forget { get; init; } = _ => { };

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public async Task BeginAsync()
    {
        foreach (var run in Runs)
        {
            await Queue.AcceptAsync(
                new NewQueueItem(
                    new QueueItem
                    {
                        Id = run,
                        Tenant = TenantId.Default,
                        Endpoint = Endpoint,
                        Request = new QueuedRequest("POST", "/", null, []),
                        AcceptedAt = _now,
                        NotBefore = _now,
                        ExpiresAt = _now.AddDays(1),
                        AttemptsMax = 20,
                    },
                    Array.Empty<byte>(),
                    null),
                10,
                Cancellation);
        }
    }

    public async Task<string> ApplyAsync(PipelineTestStep step)
    {
        _now += TimeSpan.FromSeconds(1);
        var lease = _leases.Count == 0 ? new QueueLease(Runs[0], 1) : _leases[step.Choice % _leases.Count];
        var key = Keys[step.Key];
        switch (step.Kind)
        {
            case PipelineStepKind.Lease:
                var taken = (await Queue.LeaseAsync(Owner, [new LeaseWish(Endpoint, 1)], _now, _now.AddMinutes(1), Cancellation)).Items;
                _leases.AddRange(taken.Select(t => t.Item.Lease));
                return string.Join(' ', taken.Select(t => t.Item.Lease));
            case PipelineStepKind.Begin:
                return Text(await Store.BeginAsync(Record(lease.Id, 1 + step.Key, null), Cancellation));
            case PipelineStepKind.EndCall:
                var outcome = (step.Choice % 4) switch
                {
                    0 => null,
                    1 => CallOutcome.Of(new CallFault(503, "nö", IsRetryable: step.Key == 1)),
                    _ => CallOutcome.Of(new StepData(Encoding.UTF8.GetBytes($"{step.Choice}"), step.Key == 0 ? null : "text/plain")),
                };
                var parts = Enumerable.Range(1, step.Choice % 3).Select(a => new PipelinePart(key, "digits", new InvocationId(CountingIds.Id(4_000 + (step.Key * 10) + a)), a, 200 + step.Choice, a == 1 ? null : "why"));
                return Text(await Store.EndCallAsync(lease, key, outcome, [.. parts], Cancellation));
            case PipelineStepKind.Pin:
                return Text(await Store.PinAsync(lease, key + "/", 1 + step.Choice, Cancellation));
            case PipelineStepKind.LoseServer:
                return string.Join(' ', await Queue.ReclaimAsync(Owner, _now, Cancellation));
            case PipelineStepKind.Succeed:
                var hasEnded = await Queue.EndAsync(lease, new QueueVerdict.Finished(QueueState.Succeeded, new StoredAnswer(200, [], new byte[1]), null), null, _now, Cancellation);
                if (hasEnded)
                {
                    Forget(lease.Id);
                }

                return Text(hasEnded);
            case PipelineStepKind.Die:
                return Text(await Queue.EndAsync(lease, new QueueVerdict.Again(_now, Counts: false, "why"), null, _now, Cancellation));
            case PipelineStepKind.Edit:
                var hasDied = await Queue.EndAsync(lease, new QueueVerdict.Finished(QueueState.Dead, null, "why"), null, _now, Cancellation);
                if (await Queue.EditAsync(TenantId.Default, lease.Id, new RequestEdit { Body = new byte[step.Choice] }, "key", _now, Cancellation) is EditOutcome.Edited)
                {
                    Forget(lease.Id);
                }

                var anew = await Queue.RedriveAsync(TenantId.Default, lease.Id, _now, _now.AddDays(1), Cancellation);
                return $"{hasDied} {anew?.State}";
            case PipelineStepKind.Add:
                var sync = new InvocationId(CountingIds.Id(5_000 + step.Choice));
                await Store.AddAsync(Record(sync, 1, 200 + step.Key), [new PipelinePart(key, "digits", new InvocationId(CountingIds.Id(6_000 + step.Choice)), 1, 200, null)], Cancellation);
                return "";
            default:
                return "";
        }
    }

    public async Task<string> ShowAsync()
    {
        var shown = new StringBuilder();
        foreach (var run in Runs.Concat(Enumerable.Range(0, 12).Select(i => new InvocationId(CountingIds.Id(5_000 + i)))))
        {
            shown.AppendLine(await Store.FindAsync(TenantId.Default, run, Cancellation) is var (record, parts) ? $"{record} {string.Join(' ', parts)}" : "none");
            Assert.Null(await Store.FindAsync(new TenantId("other"), run, Cancellation));
        }

        foreach (var run in Runs)
        {
            shown.AppendLine(Text(await Store.BeginAsync(Record(run, 9, null), Cancellation)));
        }

        return shown.ToString();
    }

    private static PipelineRecord Record(InvocationId run, int revision, int? status) => new(run, TenantId.Default, new RevisionId(Endpoint, revision), Samples.Noon, status is null ? 0 : 1_234, status);

    private static string Text(PipelineMemory memory)
    {
        var revisions = memory.Revisions.OrderBy(r => r.Key, StringComparer.Ordinal).Select(r => $"{r.Key}={r.Value}");
        var outcomes = memory.Outcomes.OrderBy(o => o.Key, StringComparer.Ordinal).Select(o =>
            $"{o.Key}: {o.Value.Fault} {o.Value.Output?.ContentType} {(o.Value.Output is { } output ? Encoding.UTF8.GetString(output.Body.Span) : "")}");
        return string.Join(' ', revisions.Concat(outcomes));
    }

    private static string Text(bool value) => value.ToString(CultureInfo.InvariantCulture);
}
