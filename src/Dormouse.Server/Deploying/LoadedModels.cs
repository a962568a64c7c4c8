using System.Threading.Channels;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Instances;
using Dormouse.Server.Control;
using Dormouse.Server.Dispatch;
using Microsoft.Extensions.Logging;

namespace Dormouse.Server.Deploying;

/// <summary>Learns from instances: keeps the inputs and outputs of a model that nobody had loaded before, and asks for the optimised file that was missing or damaged.</summary>
internal sealed partial class LoadedModels(DispatchService dispatch, EndpointChanges changes, OptimiseQueue optimise, ILogger<LoadedModels> logger) : IAsyncDisposable
{
    /// <summary>Loads that may wait to be looked at; more are dropped, the next load of the model says the same again.</summary>
    private const int WaitingMax = 1000;

    private readonly Channel<(Revision Revision, InstanceReady Ready)> _loads =
        Channel.CreateBounded<(Revision, InstanceReady)>(new BoundedChannelOptions(WaitingMax) { SingleReader = true, FullMode = BoundedChannelFullMode.DropWrite });

    private Task _running = Task.CompletedTask;

    public void Start()
    {
        dispatch.Loaded += Take;
        _running = RunAsync();
    }

    public async ValueTask DisposeAsync()
    {
        dispatch.Loaded -= Take;
        _loads.Writer.TryComplete();
        await _running;
    }

    private void Take(Revision revision, InstanceReady ready) => _loads.Writer.TryWrite((revision, ready));

    private async Task RunAsync()
    {
        await foreach (var (revision, ready) in _loads.Reader.ReadAllAsync())
        {
            try
            {
                if (revision.Interface is null)
                {
                    await changes.KeepLoadAsync(revision, new ModelLoad(ready.Interface, ready.LoadTime), CancellationToken.None);
                }
            }
            catch (Exception e)
            {
                // The top of the loop. Nothing is lost: the next load of the model says the same again.
                LogFailed(e, revision.Id);
            }

            if (!ready.UsedOptimised)
            {
                optimise.Enqueue(revision, ready.RefusedOptimised);
            }
        }
    }

    [LoggerMessage(EventId = 4107, EventName = "InterfaceNotKept", Level = LogLevel.Warning,
        Message = "The inputs and outputs of {Revision} could not be stored; they are shown after its next start")]
    private partial void LogFailed(Exception exception, RevisionId revision);
}
