using Dormouse.Core.Queues;

namespace Dormouse.Server.Hosting.Settings;

/// <summary>Asynchronous invocations: how many wait, how long, and how many run.</summary>
internal sealed record QueuesSettings
{
    /// <summary>Items of one endpoint that wait. Default 100,000, 1 to 10,000,000.</summary>
    public required int Limit { get; init; }

    /// <summary>
    /// Items of all endpoints that run or wait for a slot; each may hold a body and an answer in memory, and so may as many whose outcome is being stored. Default 32, 1 to 1,000.
    /// </summary>
    public required int InFlight { get; init; }

    /// <summary>Largest request body and largest answer of an asynchronous invocation. Default 16 MiB, 1 KiB to 64 MiB: they lie in the database.</summary>
    public required int BodyLimitBytes { get; init; }

    /// <summary>Attempts of an item whose caller says nothing. Default 3, 1 to 25.</summary>
    public required int Attempts { get; init; }

    /// <summary>Time to live of an item whose caller says nothing. Default 24 h, 1 s to 14 days.</summary>
    public required TimeSpan TimeToLive { get; init; }

    /// <summary>How long answers and dead letters are kept after their end. Default 24 h, 1 min to 90 days.</summary>
    public required TimeSpan Keep { get; init; }

    public static QueuesSettings Read(SettingsReader reader) => new()
    {
        Limit = reader.Number("queues.limit", 100_000, 1, 10_000_000),
        InFlight = reader.Number("queues.in_flight", 32, 1, 1_000),
        BodyLimitBytes = (int)reader.SizeBytes("queues.body_limit", 16L << 20, 1L << 10, 64L << 20),
        Attempts = reader.Number("queues.attempts", 3, 1, QueueLimits.AttemptsMax),
        TimeToLive = reader.Duration("queues.time_to_live", TimeSpan.FromHours(24), TimeSpan.FromSeconds(1), QueueLimits.TimeMax),
        Keep = reader.Duration("queues.keep", TimeSpan.FromHours(24), TimeSpan.FromMinutes(1), TimeSpan.FromDays(90)),
    };
}
