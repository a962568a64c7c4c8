using Dormouse.Core.Endpoints;
using Dormouse.Core.Sharing;
using Dormouse.Server.Access;
using Dormouse.Server.Control;
using Dormouse.Server.Deploying;
using Dormouse.Server.Dispatch;
using Dormouse.Server.Routing;
using Dormouse.Server.Triggers;
using Microsoft.Extensions.Logging;

namespace Dormouse.Server.Sharing;

/// <summary>Brings what this server keeps in memory to what other servers on the same database have made of it, and begins what the owner alone does.</summary>
internal sealed partial class SharedChanges(
    IServerSharing sharing, EndpointChanges changes, ICatalogue catalogue, RoutingTable routing, KeyRing keys, TriggerLoop triggers, Verifier verifier, ILogger<SharedChanges> logger) : IAsyncDisposable
{
    private readonly CancellationTokenSource _stopping = new();
    private readonly BackgroundTasks _forgetting = new();
    private Task _following = Task.CompletedTask;

    /// <summary>Nothing when the server is alone.</summary>
    public void Start()
    {
        if (sharing.IsShared)
        {
            _following = Task.Run(() => sharing.FollowAsync(ApplyAsync, Away, _stopping.Token));
        }
    }

    /// <summary>Another server becomes the owner at once. Call when what the owner does has ended.</summary>
    public async ValueTask DisposeAsync()
    {
        if (_stopping.IsCancellationRequested)
        {
            return;
        }

        await _stopping.CancelAsync();
        await _following;
        await _forgetting.WhenAllAsync();
        await sharing.LeaveAsync();
        _stopping.Dispose();
    }

    private async Task ApplyAsync(SharedNews news)
    {
        if (news.IsEverything)
        {
            LogMissed();
            keys.ForgetAll();
            await ReloadAllAsync();
        }

        // In their order, so that a name that was given away is taken from its old endpoint first; the last state of each is read in any case.
        foreach (var change in news.Changes.Distinct())
        {
            switch (change.Kind)
            {
                case SharedKind.Endpoint when Guid.TryParse(change.Subject, out var id):
                    await ReloadAsync(new EndpointId(id), change.IsOwn);
                    break;
                case SharedKind.Key:
                    keys.Forget(change.Subject);
                    break;
            }
        }

        if (news.OwnerChanged)
        {
            LogOwner(sharing.IsOwner ? "now this server" : "no longer this server");
            await VerifyAgainAsync();
        }

        if (news.IsEverything || news.OwnerChanged || news.Changes.Any(c => c.Kind == SharedKind.Trigger))
        {
            triggers.LookSoon();
        }
    }

    /// <summary>Also what this server itself has changed: when the connection broke as it was committed, it was told that it may have failed.</summary>
    private async Task ReloadAsync(EndpointId id, bool isOwn)
    {
        if (await changes.ReloadAsync(id, _stopping.Token) is { } entry)
        {
            if (!isOwn)
            {
                LogReloaded(entry.Endpoint.Name, entry.Endpoint.Tenant);
            }
        }
        else if (routing.Find(id) is { } gone)
        {
            _forgetting.Add(ForgetAsync(gone));
        }
    }

    private async Task ReloadAllAsync()
    {
        var gone = routing.Endpoints().ToDictionary(e => e.Id);
        await foreach (var entry in catalogue.ReadAllAsync(_stopping.Token))
        {
            gone.Remove(entry.Endpoint.Id);
            await changes.ReloadAsync(entry.Endpoint.Id, _stopping.Token);
        }

        foreach (var endpoint in gone.Values)
        {
            _forgetting.Add(ForgetAsync(endpoint));
        }
    }

    /// <summary>No new call comes from now on; those that run are finished, which nobody waits for here.</summary>
    private async Task ForgetAsync(Endpoint endpoint)
    {
        try
        {
            await changes.ForgetAsync(endpoint, _stopping.Token);
        }
        catch (OperationCanceledException) when (_stopping.IsCancellationRequested)
        {
            // The server stops, and all instances with it.
        }
    }

    /// <summary>Revisions whose verifying a server has left in the middle. One that is verified elsewhere at this moment is judged by whoever is first.</summary>
    private async Task VerifyAgainAsync()
    {
        if (sharing.IsOwner)
        {
            foreach (var revision in await catalogue.UnverifiedAsync(_stopping.Token))
            {
                _ = verifier.TryEnqueue(revision);
            }
        }
    }

    private void Away(Exception? fault)
    {
        if (fault is null)
        {
            LogBack();
        }
        else
        {
            LogAway(fault);
        }
    }

    [LoggerMessage(EventId = 4501, EventName = "EndpointReloaded", Level = LogLevel.Information, Message = "Endpoint {Endpoint} of {Tenant} was changed by another server and is here as it is there")]
    private partial void LogReloaded(string endpoint, TenantId tenant);

    [LoggerMessage(EventId = 4502, EventName = "ChangesMissed", Level = LogLevel.Information, Message = "More was changed by other servers than the database remembers: everything is read again")]
    private partial void LogMissed();

    [LoggerMessage(EventId = 4503, EventName = "OwnerChanged", Level = LogLevel.Information, Message = "The server that runs triggers and decides handovers for all that share the database is {Owner}")]
    private partial void LogOwner(string owner);

    [LoggerMessage(EventId = 4504, EventName = "ChangesUnheard", Level = LogLevel.Warning, Message = "Changes of other servers are not heard of until the database answers; what is known is served meanwhile")]
    private partial void LogAway(Exception fault);

    [LoggerMessage(EventId = 4505, EventName = "ChangesHeard", Level = LogLevel.Information, Message = "Changes of other servers are heard of again")]
    private partial void LogBack();
}
