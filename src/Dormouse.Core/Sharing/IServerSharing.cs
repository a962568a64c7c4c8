using System.Collections.Immutable;

namespace Dormouse.Core.Sharing;

/// <summary>What servers on one database tell each other through it: what one of them changed, and which of them does what only one may do.</summary>
public interface IServerSharing
{
    /// <summary>False = this server is alone: nobody else changes anything, and it is the owner always.</summary>
    bool IsShared { get; }

    /// <summary>
    /// This server does what one of all of them is to do. At most one is the owner at a time, as long as their clocks run equally fast; when it ends without a word another one is within some
    /// seconds. What it does must be harmless when done twice all the same: it may have been stopped in the middle.
    /// </summary>
    bool IsOwner { get; }

    /// <summary>Tells everything that was changed since the store was opened, by any server, until the token ends it. Called once.</summary>
    /// <param name="apply">Called for one piece of news at a time. When it throws, it is called again later with the same and what came since.</param>
    /// <param name="isAway">Told once when the database stops answering (its fault), and once when it answers again (null).</param>
    Task FollowAsync(Func<SharedNews, Task> apply, Action<Exception?> isAway, CancellationToken cancellationToken);

    /// <summary>Gives up being the owner, so that another server need not wait. Does not throw.</summary>
    Task LeaveAsync();
}

/// <param name="Changes">In the order in which they were made; several of the same subject are possible.</param>
/// <param name="IsEverything">Too much was missed: anything may have changed.</param>
/// <param name="OwnerChanged">This server became the owner or is it no longer.</param>
public sealed record SharedNews(ImmutableArray<SharedChange> Changes, bool IsEverything, bool OwnerChanged);

/// <param name="Subject">Id of the endpoint, public id of the key, id of the trigger.</param>
/// <param name="IsOwn">This server made it.</param>
public readonly record struct SharedChange(SharedKind Kind, string Subject, bool IsOwn);

/// <summary>Of what servers keep something in memory.</summary>
public enum SharedKind
{
    /// <summary>Made, changed or deleted, with its revisions.</summary>
    Endpoint,

    /// <summary>Made or revoked.</summary>
    Key,

    /// <summary>Made, changed or removed; its progress aside.</summary>
    Trigger,
}

/// <summary>A server that shares its database with nobody.</summary>
public sealed class SoleServer : IServerSharing
{
    public bool IsShared => false;

    public bool IsOwner => true;

    public Task FollowAsync(Func<SharedNews, Task> apply, Action<Exception?> isAway, CancellationToken cancellationToken) => Task.CompletedTask;

    public Task LeaveAsync() => Task.CompletedTask;
}
