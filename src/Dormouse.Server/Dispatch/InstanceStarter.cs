using Dormouse.Core.Endpoints;
using Dormouse.Core.Instances;
using Dormouse.Core.Packages;
using Dormouse.Core.Secrets;
using Dormouse.Server.Environments;
using Dormouse.Server.Prefetch;
using Dormouse.Server.Secrets;
using Microsoft.Extensions.Logging;

namespace Dormouse.Server.Dispatch;

/// <summary>Brings an admitted instance to the driver: lays the package out as a folder, finds its optimised file, starts it.</summary>
internal sealed partial class InstanceStarter(
    IInstanceDriver instances, IBlobStore blobs, OptimisedFiles optimised, EnvironmentsOfRevisions environments, SecretsOfRevisions secrets, InstanceMasks masks, StartRecorder recorder,
    TimeProvider time, ILogger<InstanceStarter> logger) : IAsyncDisposable
{
    public static readonly TimeSpan FirstBackOff = TimeSpan.FromSeconds(1);
    public static readonly TimeSpan LongestBackOff = TimeSpan.FromSeconds(30);

    private readonly BackgroundTasks _tasks = new();
    private readonly CancellationTokenSource _stopping = new();

    /// <summary>The last try to open the driver: starts wait for one that goes on, and are refused after one that failed.</summary>
    private volatile Task _opening = Task.CompletedTask;
    private bool _isDisposed;

    public IInstanceDriver Instances => instances;

    /// <summary>Opens the driver and does not wait: the server listens meanwhile, and starts wait until it is open. When it fails it is tried again, more slowly each time.</summary>
    /// <param name="inUse">Revisions that carry traffic then: workers of their kinds are kept ready from the start on, so that the first call finds one.</param>
    public void Open(IInstanceObserver observer, Func<IEnumerable<RevisionSpec>> inUse) => _tasks.Add(OpenAsync(observer, inUse));

    /// <summary>Ends every instance that is left and the driver with them. Idempotent.</summary>
    public async ValueTask DisposeAsync()
    {
        if (_isDisposed)
        {
            return;
        }

        _isDisposed = true;
        await _stopping.CancelAsync();
        await _tasks.WhenAllAsync();
        await instances.DisposeAsync();
        await recorder.DisposeAsync();
        _stopping.Dispose();
    }

    /// <summary>Returns at once. What comes of it reaches <paramref name="observer"/> as if the driver had said it.</summary>
    public void Begin(RevisionDriver driver, InstanceId instance, IInstanceObserver observer) => _tasks.Add(BeginAsync(driver, instance, observer));

    /// <summary>Looks up what a start of this revision will need.</summary>
    public void Prefetch(Revision revision)
    {
        if (!revision.Spec.Kind.HasInstances)
        {
            return;
        }

        instances.Expect(revision.Spec);
        _tasks.Add(PrefetchAsync(revision));
    }

    public Task WhenAllAsync() => _tasks.WhenAllAsync();

    private async Task BeginAsync(RevisionDriver driver, InstanceId instance, IInstanceObserver observer)
    {
        var revision = driver.Revision;
        string folder;
        InstanceSecrets values;
        try
        {
            folder = await blobs.MaterialiseAsync(revision.Package, CancellationToken.None);
            await optimised.PrefetchAsync(revision, CancellationToken.None);
            if (environments.IsMissing(revision) && await environments.EnsureAsync(revision, _stopping.Token) is { } failed)
            {
                Refuse(observer, instance, $"The environment is gone and could not be built again: {failed.Reason}");
                return;
            }

            var outcome = await secrets.OpenAsync(revision.Tenant, revision.Spec, _stopping.Token);
            if (outcome is SecretsOutcome.Refused refused)
            {
                // Trying again gives the same, as long as nobody sets it.
                observer.Failed(instance, new StartFailure(StartFailureKind.Model, refused.Reason));
                observer.Gone(instance);
                return;
            }

            values = ((SecretsOutcome.Opened)outcome).Secrets;
        }
        catch (OperationCanceledException) when (_stopping.IsCancellationRequested)
        {
            Refuse(observer, instance, "The server is stopping.");
            return;
        }
        catch (Exception fault) when (fault is FileNotFoundException or BlobsAwayException)
        {
            LogLayoutFailed(fault, instance);
            Refuse(observer, instance, $"A file of the revision is missing. {fault.Message}");
            return;
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException or InvalidOperationException or System.Data.Common.DbException)
        {
            LogLayoutFailed(fault, instance);
            Refuse(observer, instance, "The files of the revision could not be laid out. The operator finds the cause in the server's log.");
            return;
        }

        var opening = _opening;
        try
        {
            await opening;
        }
        catch (Exception) when (opening.IsFaulted || opening.IsCanceled)
        {
            // Logged where the driver is opened.
            Refuse(observer, instance, "The program that starts instances could not be started; it is tried again. The operator finds the cause with 'dormouse doctor'.");
            return;
        }

        if (!driver.Look(instance).IsStillWanted)
        {
            observer.Gone(instance);
            return;
        }

        masks.Begin(instance, values);
        await recorder.BeginAsync(revision, instance, folder);
        var model = ModelFiles.Of(revision)?.Model;
        instances.Start(new InstanceStart
        {
            Instance = instance,
            Tenant = revision.Tenant,
            Spec = revision.Spec,
            Package = revision.Package,
            Folder = folder,
            Secrets = values,
            OptimisedPath = key => model is null ? null : recorder.Given(instance, optimised.PathFor(revision.Tenant, model, key)),
        });
        if (driver.ConfirmStarted(instance) is { } reason)
        {
            instances.Stop(instance, reason);
        }
    }

    private static void Refuse(IInstanceObserver observer, InstanceId instance, string reason)
    {
        observer.Failed(instance, new StartFailure(StartFailureKind.Crash, reason));
        observer.Gone(instance);
    }

    private async Task OpenAsync(IInstanceObserver observer, Func<IEnumerable<RevisionSpec>> inUse)
    {
        var wait = FirstBackOff;
        try
        {
            while (!await TryOpenAsync(observer, wait))
            {
                await Task.Delay(wait, time, _stopping.Token);
                wait = wait * 2 < LongestBackOff ? wait * 2 : LongestBackOff;
            }

            // One of each kind is enough to say.
            foreach (var spec in inUse().Where(spec => spec.Kind.HasInstances).DistinctBy(spec => (spec.Kind.RunsModels, spec.PythonEnvironment, spec.Isolation, spec.Network)))
            {
                instances.Expect(spec);
            }
        }
        catch (OperationCanceledException) when (_stopping.IsCancellationRequested)
        {
            // The server stops before the driver was open.
        }
    }

    private async Task<bool> TryOpenAsync(IInstanceObserver observer, TimeSpan wait)
    {
        try
        {
            _opening = instances.OpenAsync(observer, _stopping.Token);
            await _opening;
            return true;
        }
        catch (Exception fault)
        {
            // The top of the loop: whatever it was, the next try may go better. While the server stops there is none, and nobody to tell.
            if (!_stopping.IsCancellationRequested)
            {
                LogOpeningFailed(fault, wait);
            }

            return false;
        }
    }

    private async Task PrefetchAsync(Revision revision)
    {
        try
        {
            await optimised.PrefetchAsync(revision, CancellationToken.None);
        }
        catch (Exception fault) when (fault is IOException or InvalidOperationException or System.Data.Common.DbException)
        {
            // Costs the first start a look-up, nothing else.
            LogPrefetchFailed(fault, revision.Id);
        }
    }

    [LoggerMessage(EventId = 2101, EventName = "PackageLayoutFailed", Level = LogLevel.Error, Message = "The package of instance {Instance} could not be laid out: its start fails")]
    private partial void LogLayoutFailed(Exception fault, InstanceId instance);

    [LoggerMessage(EventId = 2102, EventName = "OptimisedLookupFailed", Level = LogLevel.Warning, Message = "The optimised file of {Revision} could not be looked up; its next start looks again")]
    private partial void LogPrefetchFailed(Exception fault, RevisionId revision);

    [LoggerMessage(EventId = 2103, EventName = "DriverOpeningFailed", Level = LogLevel.Error, Message = "The instance driver could not be opened: no instance can start until it is. Next try in {Wait}; 'dormouse doctor' shows what is missing")]
    private partial void LogOpeningFailed(Exception fault, TimeSpan wait);
}
