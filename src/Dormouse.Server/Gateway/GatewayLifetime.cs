using Dormouse.Server.Dispatch;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Dormouse.Server.Gateway;

/// <summary>
/// Opens the instance driver while the server begins to listen. When the server stops: refuses new invocations at once, lets running ones
/// finish up to the limit, then ends every instance.
/// </summary>
internal sealed partial class GatewayLifetime(
    InstanceStarter starter, DispatchService dispatch, InvocationRunner runner, GatewaySettings settings, TimeProvider time, ILogger<GatewayLifetime> logger)
    : IHostedLifecycleService
{
    public Task StartingAsync(CancellationToken cancellationToken)
    {
        starter.Open(dispatch);
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

    public async Task StopAsync(CancellationToken cancellationToken) => await starter.CloseAsync();

    public Task StoppedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    [LoggerMessage(EventId = 2201, EventName = "InvocationsCutOff", Level = LogLevel.Warning,
        Message = "Invocations still ran after the shutdown limit of {Limit}; they are cut off and their receipts will read server_lost")]
    private partial void LogCutOff(TimeSpan limit);
}
