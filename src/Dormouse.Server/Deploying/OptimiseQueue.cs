using System.Collections.Concurrent;
using System.Threading.Channels;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Packages;
using Dormouse.Server.Control;
using Dormouse.Server.Dispatch;
using Microsoft.Extensions.Logging;

namespace Dormouse.Server.Deploying;

/// <summary>
/// Makes optimised files in idle time: for revisions deployed without verifying, for those whose file was made by another engine version, and for those whose file is damaged.
/// One at a time, and only while no invocation runs or waits.
/// </summary>
internal sealed partial class OptimiseQueue(
    ModelInspections inspections, OptimisedModels optimised, EndpointChanges changes, DispatchService dispatch, TimeProvider time, ILogger<OptimiseQueue> logger) : IAsyncDisposable
{
    /// <summary>Revisions that may wait; more are forgotten until an instance of theirs loads the original again.</summary>
    public const int QueueMax = 10_000;

    private static readonly TimeSpan QuietCheck = TimeSpan.FromSeconds(1);

    private readonly Channel<(Revision Revision, bool IsDamaged)> _waiting = Channel.CreateBounded<(Revision, bool)>(new BoundedChannelOptions(QueueMax) { SingleReader = true });
    private readonly ConcurrentDictionary<(RevisionId Revision, bool IsDamaged), bool> _tried = new();
    private readonly CancellationTokenSource _stopping = new();
    private Task _running = Task.CompletedTask;

    public void Start() => _running = RunAsync(_stopping.Token);

    /// <summary>Each revision is tried once in the life of the server, and once more when what it has is damaged: what cannot be optimised now cannot be in a minute.</summary>
    /// <param name="isDamaged">The file that there is was refused by the engine.</param>
    public void Enqueue(Revision revision, bool isDamaged = false)
    {
        if (_tried.Count >= QueueMax)
        {
            _tried.Clear();
        }

        if (_tried.TryAdd((revision.Id, isDamaged), true) && !_waiting.Writer.TryWrite((revision, isDamaged)))
        {
            _tried.TryRemove((revision.Id, isDamaged), out _);
        }
    }

    public async ValueTask DisposeAsync()
    {
        _waiting.Writer.TryComplete();
        if (!_stopping.IsCancellationRequested)
        {
            await _stopping.CancelAsync();
        }

        await _running;
        _stopping.Dispose();
    }

    private async Task RunAsync(CancellationToken cancellationToken)
    {
        try
        {
            await foreach (var (revision, isDamaged) in _waiting.Reader.ReadAllAsync(cancellationToken))
            {
                await WhenQuietAsync(cancellationToken);
                await OptimiseAsync(revision, isDamaged, cancellationToken);
            }
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            // The server stops; what waits is found again when an instance loads the original.
        }
    }

    private async Task OptimiseAsync(Revision revision, bool isDamaged, CancellationToken cancellationToken)
    {
        try
        {
            if (isDamaged)
            {
                LogDamaged(revision.Id);
            }
            else if (await optimised.ExistsAsync(revision, cancellationToken))
            {
                return;
            }

            switch (await inspections.InspectAsync(revision, cancellationToken))
            {
                case Inspection.Accepted accepted:
                    await changes.KeepLoadAsync(revision, new ModelLoad(accepted.Interface, accepted.LoadTime), cancellationToken);
                    break;

                case Inspection.Refused refused:
                    LogRefused(revision.Id, refused.Reason);
                    break;
            }
        }
        catch (Exception e) when (!cancellationToken.IsCancellationRequested)
        {
            // The top of the loop: the next revision may fare better.
            LogFailed(e, revision.Id);
        }
    }

    private async Task WhenQuietAsync(CancellationToken cancellationToken)
    {
        while (dispatch.IsBusy)
        {
            await Task.Delay(QuietCheck, time, cancellationToken);
        }
    }

    [LoggerMessage(EventId = 4109, EventName = "OptimisedFileDamaged", Level = LogLevel.Warning,
        Message = "The engine does not take the optimised file of {Revision}, which must be damaged; it is made anew")]
    private partial void LogDamaged(RevisionId revision);

    [LoggerMessage(EventId = 4105, EventName = "OptimiseRefused", Level = LogLevel.Warning,
        Message = "The model of {Revision}, deployed without verifying, cannot be loaded: {Reason}. Its calls will fail; deploy a working model")]
    private partial void LogRefused(RevisionId revision, string reason);

    [LoggerMessage(EventId = 4106, EventName = "OptimiseFailed", Level = LogLevel.Error, Message = "Optimising {Revision} in idle time failed; its starts load the original")]
    private partial void LogFailed(Exception exception, RevisionId revision);
}
