using System.Threading.Channels;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Environments;
using Dormouse.Core.Packages;
using Dormouse.Server.Control;
using Dormouse.Server.Dispatch;
using Dormouse.Server.Environments;
using Microsoft.Extensions.Logging;

namespace Dormouse.Server.Deploying;

/// <summary>How verifying ended.</summary>
internal abstract record Verification
{
    private Verification()
    {
    }

    public sealed record Ready(CatalogueEntry Entry) : Verification;

    /// <param name="Reason">The engine's reason in plain words.</param>
    public sealed record Refused(string Reason) : Verification;

    /// <summary>The model could not be loaded for reasons of the machine; the revision is failed, deploying again may succeed.</summary>
    public sealed record Unavailable(string Reason) : Verification;

    /// <summary>Its environment could not be built; the revision is failed.</summary>
    public sealed record NotBuilt(BuildOutcome.Failed Failure) : Verification;

    /// <summary>The endpoint was deleted meanwhile.</summary>
    public sealed record Gone : Verification;
}

/// <summary>
/// Verifies revisions in order of arrival, whether or not their callers still wait. One whose environment is still to be built stands aside meanwhile, because that may take minutes.
/// </summary>
internal sealed partial class Verifier(ModelInspections inspections, EnvironmentsOfRevisions environments, EndpointChanges changes, ILogger<Verifier> logger) : IAsyncDisposable
{
    /// <summary>Revisions that may wait; more are refused at deploy.</summary>
    public const int QueueMax = 1000;

    private readonly Channel<Job> _jobs = Channel.CreateBounded<Job>(new BoundedChannelOptions(QueueMax) { SingleReader = true, FullMode = BoundedChannelFullMode.Wait });
    private readonly CancellationTokenSource _stopping = new();
    private readonly BackgroundTasks _building = new();
    private Task _running = Task.CompletedTask;

    public bool IsFull => _jobs.Reader.Count >= QueueMax;

    public void Start() => _running = RunAsync();

    /// <summary>Null when too many wait already.</summary>
    public Task<Verification>? TryEnqueue(Revision revision)
    {
        var job = new Job(revision, new TaskCompletionSource<Verification>(TaskCreationOptions.RunContinuationsAsynchronously));
        return _jobs.Writer.TryWrite(job) ? job.Result.Task : null;
    }

    /// <summary>What waits stays "verifying" in the catalogue and is verified at the next start.</summary>
    public async ValueTask DisposeAsync()
    {
        _jobs.Writer.TryComplete();
        if (!_stopping.IsCancellationRequested)
        {
            await _stopping.CancelAsync();
        }

        await _running;
        await _building.WhenAllAsync();
        _stopping.Dispose();
    }

    private async Task RunAsync()
    {
        await foreach (var job in _jobs.Reader.ReadAllAsync())
        {
            if (environments.IsMissing(job.Revision))
            {
                _building.Add(BuildAsync(job));
            }
            else
            {
                await FinishAsync(job, () => VerifyAsync(job.Revision, _stopping.Token));
            }
        }
    }

    private async Task FinishAsync(Job job, Func<Task<Verification>> verify)
    {
        try
        {
            job.Result.SetResult(await verify());
        }
        catch (OperationCanceledException) when (_stopping.IsCancellationRequested)
        {
            job.Result.SetCanceled(_stopping.Token);
        }
        catch (Exception e)
        {
            // The top of the loop: one revision's fault must not end verifying for all.
            LogFailed(e, job.Revision.Id);
            job.Result.SetException(e);
        }
    }

    /// <summary>Builds the revision's environment, then verifies it; inspections themselves run one at a time.</summary>
    private Task BuildAsync(Job job) => FinishAsync(job, async () =>
    {
        if (await environments.EnsureAsync(job.Revision, _stopping.Token) is { } failed)
        {
            // When the server stops it stays "verifying", and is built and verified at the next start.
            _stopping.Token.ThrowIfCancellationRequested();
            return await changes.VerifiedAsync(job.Revision, RevisionState.Failed, null, $"The environment could not be built: {failed.Reason}", giveTraffic: false, _stopping.Token) is null
                ? new Verification.Gone()
                : new Verification.NotBuilt(failed);
        }

        return await VerifyAsync(job.Revision, _stopping.Token);
    });

    private async Task<Verification> VerifyAsync(Revision revision, CancellationToken cancellationToken)
    {
        switch (await inspections.InspectAsync(revision, cancellationToken))
        {
            case Inspection.Accepted accepted:
                var entry = await changes.VerifiedAsync(revision, RevisionState.Ready, new ModelLoad(accepted.Interface, accepted.LoadTime), null, giveTraffic: true, cancellationToken);
                return entry is null ? new Verification.Gone() : new Verification.Ready(entry);

            case Inspection.Refused refused:
                return await changes.VerifiedAsync(revision, RevisionState.Failed, null, refused.Reason, giveTraffic: false, cancellationToken) is null
                    ? new Verification.Gone()
                    : new Verification.Refused(refused.Reason);

            case Inspection.Unavailable unavailable:
                var failure = "Verifying could not run: " + unavailable.Reason;
                return await changes.VerifiedAsync(revision, RevisionState.Failed, null, failure, giveTraffic: false, cancellationToken) is null
                    ? new Verification.Gone()
                    : new Verification.Unavailable(unavailable.Reason);

            default:
                throw new InvalidOperationException("An inspection is accepted, refused or unavailable.");
        }
    }

    [LoggerMessage(EventId = 4104, EventName = "VerifyingFailed", Level = LogLevel.Error,
        Message = "Verifying {Revision} failed in the server; the revision stays 'verifying' until the next start")]
    private partial void LogFailed(Exception exception, RevisionId revision);

    private sealed record Job(Revision Revision, TaskCompletionSource<Verification> Result);
}
