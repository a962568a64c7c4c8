using Dormouse.Core.Endpoints;
using Dormouse.Core.Instances;
using Dormouse.Core.Packages;
using Microsoft.Extensions.Logging;

namespace Dormouse.Server.Dispatch;

/// <summary>Brings an admitted instance to the driver: lays the package out as a folder, finds its optimised file, starts it.</summary>
internal sealed partial class InstanceStarter(IInstanceDriver instances, IBlobStore blobs, OptimisedFiles optimised, ILogger<InstanceStarter> logger)
{
    private readonly BackgroundTasks _tasks = new();

    public IInstanceDriver Instances => instances;

    /// <summary>Returns at once. What comes of it reaches <paramref name="observer"/> as if the driver had said it.</summary>
    public void Begin(RevisionDriver driver, InstanceId instance, IInstanceObserver observer) => _tasks.Add(BeginAsync(driver, instance, observer));

    /// <summary>Looks up what a start of this revision will need.</summary>
    public void Prefetch(Revision revision) => _tasks.Add(PrefetchAsync(revision));

    public Task WhenAllAsync() => _tasks.WhenAllAsync();

    private async Task BeginAsync(RevisionDriver driver, InstanceId instance, IInstanceObserver observer)
    {
        var revision = driver.Revision;
        string folder;
        try
        {
            folder = await blobs.MaterialiseAsync(revision.Package, CancellationToken.None);
            await optimised.PrefetchAsync(revision.Tenant, revision.Package, CancellationToken.None);
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException or InvalidOperationException or System.Data.Common.DbException)
        {
            LogLayoutFailed(fault, instance);
            observer.Failed(instance, new StartFailure(StartFailureKind.Crash, "The files of the revision could not be laid out. The operator finds the cause in the server's log."));
            observer.Gone(instance);
            return;
        }

        if (!driver.IsStillWanted(instance))
        {
            observer.Gone(instance);
            return;
        }

        var model = OptimisedFiles.ModelOf(revision.Package);
        instances.Start(new InstanceStart
        {
            Instance = instance,
            Tenant = revision.Tenant,
            Spec = revision.Spec,
            Package = revision.Package,
            Folder = folder,
            OptimisedPath = key => model is null ? null : optimised.PathFor(revision.Tenant, model, key),
        });
        if (driver.ConfirmStarted(instance) is { } reason)
        {
            instances.Stop(instance, reason);
        }
    }

    private async Task PrefetchAsync(Revision revision)
    {
        try
        {
            await optimised.PrefetchAsync(revision.Tenant, revision.Package, CancellationToken.None);
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
}
