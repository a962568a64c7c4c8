using Dormouse.Server.Dispatch;
using Dormouse.Server.Routing;
using Dormouse.Server.Usage;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Dormouse.Server.Gateway;

/// <summary>
/// Opens the instance driver while the server begins to listen. When the server stops: refuses new invocations at once, lets running ones
/// finish up to the limit, then ends every instance and writes the last of the provisioned time.
/// </summary>
internal sealed partial class GatewayLifetime(
    InstanceStarter starter, DispatchService dispatch, RoutingTable routing, InvocationRunner runner, ProvisionedAccounts provisioned, GatewaySettings settings, TimeProvider time, ILogger<GatewayLifetime> logger)
    : IHostedLifecycleService
{
    /// <summary>How long invocations whose instance was just ended may take to write their receipts.</summary>
    private static readonly TimeSpan ReceiptsLimit = TimeSpan.FromSeconds(2);

    public Task StartingAsync(CancellationToken cancellationToken)
    {
        starter.Open(dispatch, () => routing.Routes().Where(route => !route.Endpoint.IsUnloaded).SelectMany(route => route.Revisions).Select(revision => revision.Spec));
        return Task.CompletedTask;
    }

    public Task StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StartedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    /// <summary>Before the listeners close: from now on invocations are refused, and those that wait are told.</summary>
    public async Task StoppingAsync(CancellationToken cancellationToken)
    {
        runner.BeginShutdown();
        dispatch.BeginShutdown();
        using var limit = new CancellationTokenSource(settings.ShutdownLimit, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, limit.Token);
        try
        {
            await runner.WhenEndedAsync(either.Token);
        }
        catch (OperationCanceledException) when (either.IsCancellationRequested)
        {
            LogCutOff(settings.ShutdownLimit);
        }
    }

    public async Task StopAsync(CancellationToken cancellationToken)
    {
        await starter.DisposeAsync();
        await provisioned.DisposeAsync();
        using var limit = new CancellationTokenSource(ReceiptsLimit, time);
        try
        {
            await runner.WhenEndedAsync(limit.Token);
        }
        catch (OperationCanceledException) when (limit.IsCancellationRequested)
        {
            LogUnrecorded();
        }
    }

    public Task StoppedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    [LoggerMessage(EventId = 2201, EventName = "InvocationsCutOff", Level = LogLevel.Warning,
        Message = "Invocations still ran after the shutdown limit of {Limit}; they are cut off and their receipts read server_lost")]
    private partial void LogCutOff(TimeSpan limit);

    [LoggerMessage(EventId = 2202, EventName = "InvocationsUnrecorded", Level = LogLevel.Warning,
        Message = "Some invocations did not end with their instances; the next start of the server writes their receipts as server_lost")]
    private partial void LogUnrecorded();
}
