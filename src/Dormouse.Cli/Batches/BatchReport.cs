using System.Globalization;
using Dormouse.Cli.Connection;
using Dormouse.Cli.Terminal;
using Dormouse.Protocol.Control;

namespace Dormouse.Cli.Batches;

/// <summary>Batch jobs as people read them.</summary>
internal static class BatchReport
{
    /// <summary><c>120 succeeded, 3 failed, 1 skipped</c></summary>
    public static string Counts(BatchInfo job) => string.Create(
        CultureInfo.InvariantCulture, $"{Units.Count(job.Succeeded)} succeeded, {Units.Count(job.Failed)} failed{(job.Skipped > 0 ? $", {Units.Count(job.Skipped)} skipped" : "")}");

    public static string Cost(BatchInfo job) => $"{job.Price} {job.Currency}";

    /// <summary>How much of the job is done, 0 to 1: of the input what is in the results.</summary>
    public static double Share(BatchInfo job)
    {
        var ended = job.Succeeded + job.Failed;
        var read = job.Input.Bytes == 0 ? 1 : (double)job.Input.ReadBytes / job.Input.Bytes;
        return !job.IsActive && job.State == "done" ? 1 : ended + job.InFlight == 0 ? 0 : Math.Min(1, read * ended / (ended + job.InFlight));
    }

    public static void Write(Session session, BatchInfo job)
    {
        var (screen, time) = (session.Screen, session.Surroundings.Time);
        if (screen.IsJson)
        {
            screen.Json(job, ControlJson.Default.BatchInfo);
            return;
        }

        screen.Line($"{job.Id} is {job.State}: {job.Input.Name} through {job.Endpoint}{(job.Revision is { } revision ? " " + revision : "")}");
        Pair(screen, "items", Counts(job) + (job.InFlight > 0 ? string.Create(CultureInfo.InvariantCulture, $", {Units.Count(job.InFlight)} under way") : ""));
        Pair(screen, "input", string.Create(CultureInfo.InvariantCulture, $"{Units.Bytes(job.Input.ReadBytes)} of {Units.Bytes(job.Input.Bytes)} read ({job.Input.Format}, {job.Input.Place})"));
        Pair(screen, "results", Units.Bytes(job.ResultsBytes));
        Pair(screen, "cost", string.Create(CultureInfo.InvariantCulture, $"{Cost(job)} ({Units.Count(job.Attempts)} {(job.Attempts == 1 ? "receipt" : "receipts")})"));
        Pair(screen, "at a time", job.Concurrency.ToString(CultureInfo.InvariantCulture));
        Pair(screen, "max failures", job.MaxFailures);
        Pair(screen, "begun", Units.Time(job.CreatedAt, time));
        Pair(screen, "ended", job.EndedAt is { } ended ? Units.Time(ended, time) : null);
        Pair(screen, "reason", job.Reason);
    }

    private static void Pair(Screen screen, string name, string? value)
    {
        if (value is not null)
        {
            screen.Line($"  {name,-12}  {Shown.Line(value)}");
        }
    }
}
