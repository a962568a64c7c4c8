using System.Collections.Immutable;
using Dormouse.Core.Batches;
using Dormouse.Core.Dispatch;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Queues;
using Dormouse.Server.Batches.Inputs;

namespace Dormouse.Server.Batches;

/// <summary>What came of an attempt to feed.</summary>
internal enum FeedOutcome
{
    /// <summary>There was no room, or nothing to be read.</summary>
    Nothing,
    Fed,

    /// <summary>The endpoint's queue is full: the same piece is fed later.</summary>
    Waits,
}

/// <summary>Reads a job's input ahead by one piece and gives that to the queue when there is room. Used by one caller at a time.</summary>
internal sealed class BatchFeed(BatchId id, BatchParts parts) : IAsyncDisposable
{
    private IItemReader? _reader;
    private Piece? _pending;
    private Revision? _revision;

    /// <exception cref="InputUnreadableException">The input cannot be read on.</exception>
    public async Task<FeedOutcome> FeedAsync(BatchJob job, CancellationToken cancellationToken)
    {
        if (_pending is null)
        {
            var room = FeedRule.Room(job, await parts.Store.WindowAsync(id, cancellationToken));
            if (room == 0)
            {
                return FeedOutcome.Nothing;
            }

            _pending = await ReadAsync(job, room, cancellationToken);
        }

        switch (await parts.Store.FeedAsync(id, _pending.Items, _pending.Fed, parts.Queues.Limit, cancellationToken))
        {
            case FeedResult.QueueFull:
                return FeedOutcome.Waits;
            case FeedResult.Stale:
                // It was paused or stopped meanwhile: read again from where the job stands.
                await CloseAsync();
                return FeedOutcome.Nothing;
            default:
                foreach (var item in _pending.Items)
                {
                    if (item.Item is { } queued)
                    {
                        parts.QueueMetrics.Accepted(queued.Item);
                    }
                }

                parts.Metrics.Skipped(job, _pending.Fed.Skipped);
                _pending = null;
                parts.Signals.Work();
                return FeedOutcome.Fed;
        }
    }

    public ValueTask DisposeAsync() => CloseAsync();

    /// <summary>Reads anew the next time.</summary>
    public async ValueTask CloseAsync()
    {
        _pending = null;
        if (_reader is { } reader)
        {
            _reader = null;
            await reader.DisposeAsync();
        }
    }

    private async Task<Piece> ReadAsync(BatchJob job, int room, CancellationToken cancellationToken)
    {
        var revision = await RevisionAsync(job, cancellationToken);
        if (_reader is null || revision.Id != _revision?.Id)
        {
            await CloseAsync();
            _reader = await parts.Inputs.OpenAsync(job, revision, cancellationToken);
            _revision = revision;
        }

        var items = ImmutableArray.CreateBuilder<FedBatchItem>();
        var (skipped, bytes, mark, read) = (0L, 0L, job.Mark, job.ReadBytes);
        var isEnd = false;
        // Many blank lines in a row are a piece, too.
        for (var pieces = 0; items.Count < room && bytes < FeedRule.StepBytesMax && pieces < 10 * FeedRule.StepMax; pieces++)
        {
            if (await _reader.NextAsync(cancellationToken) is not { } piece)
            {
                isEnd = true;
                break;
            }

            (mark, read) = (piece.Mark, piece.ReadBytes);
            var number = job.Fed + items.Count + 1;
            switch (piece)
            {
                case InputPiece.Request request:
                    bytes += request.Body.Length;
                    items.Add(new FedBatchItem(number, request.Name, Compose(job, revision, request), null));
                    break;
                case InputPiece.Broken broken:
                    items.Add(new FedBatchItem(number, broken.Name, null, broken.Fault));
                    break;
                default:
                    skipped++;
                    break;
            }
        }

        return new Piece(items.ToImmutable(), new BatchFeeding(items.Count, skipped, mark, read, isEnd));
    }

    private async Task<Revision> RevisionAsync(BatchJob job, CancellationToken cancellationToken)
    {
        if (parts.Invocations.Routes.NameOf(job.Endpoint) is not { } name || parts.Invocations.Routes.Find(job.Tenant, name) is not { } route || route.Endpoint.Id != job.Endpoint)
        {
            throw new InputUnreadableException($"Endpoint '{job.EndpointName}' was deleted.");
        }

        var revision = job.Version is { } version ? await parts.Invocations.Resolver.FindAsync(route, version, cancellationToken) : route.Revisions.FirstOrDefault();
        return revision ?? throw new InputUnreadableException(job.Version is null
            ? $"Endpoint '{job.EndpointName}' has no revision that takes traffic."
            : $"Revision r{job.Version} of endpoint '{job.EndpointName}' is not there any more.");
    }

    private NewQueueItem Compose(BatchJob job, Revision revision, InputPiece.Request request)
    {
        var now = parts.Time.GetUtcNow();
        // A model takes tensors on the inference route and everything else on its own address, a program everything there.
        var target = revision.Spec.Kind.RunsModels && request.ContentType == Protocol.MediaTypes.Json ? null : "/";
        return new NewQueueItem(
            new QueueItem
            {
                Id = new InvocationId(parts.Ids.NewId()),
                Tenant = job.Tenant,
                Endpoint = job.Endpoint,
                Request = new QueuedRequest("POST", target, job.Version, [KeyValuePair.Create("Content-Type", request.ContentType)]),
                BodyBytes = request.Body.Length,
                Priority = QueuePriority.Low,
                AcceptedAt = now,
                NotBefore = now,
                ExpiresAt = now + parts.Queues.TimeToLive,
                AttemptsMax = parts.Queues.Attempts,
            },
            request.Body,
            null);
    }

    private sealed record Piece(ImmutableArray<FedBatchItem> Items, BatchFeeding Fed);
}
