using System.Globalization;
using Dormouse.Cli.Connection;
using Dormouse.Cli.Terminal;
using Dormouse.Client;
using Dormouse.Protocol.Control;

namespace Dormouse.Cli.Batches;

/// <summary>Stays with a job until it has ended and fetches its results.</summary>
internal static class BatchWatch
{
    private static readonly TimeSpan AskInterval = TimeSpan.FromMilliseconds(500);

    private static readonly TimeSpan LineInterval = TimeSpan.FromSeconds(10);

    /// <summary>After the first Ctrl-C there is so long for a second one.</summary>
    private static readonly TimeSpan SecondThoughts = TimeSpan.FromSeconds(3);

    /// <param name="output">File or folder of the results; null = they stay on the server.</param>
    /// <returns>An exit code: 0 when every item succeeded.</returns>
    public static async Task<int> RunAsync(Session session, BatchInfo job, string? output, BatchInterruption interruption)
    {
        BatchInfo? ended = null;
        string? file;
        try
        {
            ended = await UntilEndedAsync(session, job, interruption.Detached);
            file = output is null || ended.State == "paused" ? null : await FetchAsync(session, ended, output, interruption.Detached);
        }
        catch (OperationCanceledException) when (interruption.Detached.IsCancellationRequested)
        {
            // What has ended is there to be fetched another time.
            return ended is null ? await DetachAsync(session, job.Id, output, interruption) : ExitCodes.Interrupted;
        }

        BatchReport.Write(session, ended);
        session.Screen.Note(file is not null ? $"The results are in {file}." : $"'dormouse batch results {ended.Id}' prints the results.");
        return ended is { State: "done", Failed: 0 } ? ExitCodes.Done : ExitCodes.Failed;
    }

    /// <summary>Copies results into a file, which has its name only when it is whole.</summary>
    public static async Task<string> FetchAsync(Session session, BatchInfo job, string output, CancellationToken cancellationToken)
    {
        var file = Directory.Exists(output) || output.EndsWith('/') ? Path.Combine(output, Path.GetFileNameWithoutExtension(job.Input.Name.Replace('/', '-')) + ".results.jsonl") : output;
        if (Path.GetDirectoryName(file) is { Length: > 0 } folder)
        {
            Directory.CreateDirectory(folder);
        }

        await using (var part = File.Create(file + ".part"))
        {
            await session.Client.Batches.ResultsAsync(job.Id, file.EndsWith(".csv", StringComparison.OrdinalIgnoreCase), part, cancellationToken);
        }

        File.Move(file + ".part", file, overwrite: true);
        return file;
    }

    private static async Task<BatchInfo> UntilEndedAsync(Session session, BatchInfo job, CancellationToken cancellationToken)
    {
        if (session.Screen.IsJson || !session.Surroundings.IsErrorTerminal)
        {
            return await AskAsync(session, job, Lines(session, job), cancellationToken);
        }

        return await SpectreActivity.DescribedAsync(
            session.Surroundings.Error, $"{job.Input.Name} → {job.Endpoint}", show => AskAsync(session, job, (now, rate) => show(Text(now, rate), BatchReport.Share(now)), cancellationToken));
    }

    private static async Task<BatchInfo> AskAsync(Session session, BatchInfo job, Action<BatchInfo, double?> show, CancellationToken cancellationToken)
    {
        var time = session.Surroundings.Time;
        var (begun, first) = (time.GetTimestamp(), job.Succeeded + job.Failed);
        while (true)
        {
            try
            {
                job = await session.Client.Batches.GetAsync(job.Id, cancellationToken);
            }
            catch (ServerUnreachableException)
            {
                // It restarts, or the network is away for a moment: the job does not depend on this program.
                await Task.Delay(AskInterval * 4, time, cancellationToken);
                continue;
            }

            var seconds = time.GetElapsedTime(begun).TotalSeconds;
            show(job, seconds > 1 ? (job.Succeeded + job.Failed - first) / seconds : null);
            if (!job.IsActive)
            {
                return job;
            }

            await Task.Delay(AskInterval, time, cancellationToken);
        }
    }

    private static string Text(BatchInfo job, double? rate) => string.Create(
        CultureInfo.InvariantCulture, $"{BatchReport.Counts(job)}{(rate is { } perSecond ? $", {perSecond:0.#}/s" : "")}, {BatchReport.Cost(job)}{(job.State == "running" ? "" : $" ({job.State})")}");

    /// <summary>Where nothing moves: a line now and then.</summary>
    private static Action<BatchInfo, double?> Lines(Session session, BatchInfo job)
    {
        var time = session.Surroundings.Time;
        var (begun, last) = (time.GetTimestamp(), time.GetTimestamp());
        var from = BatchReport.Share(job);
        return (now, rate) =>
        {
            if (time.GetElapsedTime(last) < LineInterval)
            {
                return;
            }

            last = time.GetTimestamp();
            var share = BatchReport.Share(now);
            var left = share - from > 0.001 ? string.Create(CultureInfo.InvariantCulture, $", about {time.GetElapsedTime(begun).TotalSeconds * (1 - share) / (share - from):0} s left") : "";
            session.Screen.Note(string.Create(CultureInfo.InvariantCulture, $"{100 * share:0} %: {Text(now, rate)}{left}"));
        };
    }

    private static async Task<int> DetachAsync(Session session, string id, string? output, BatchInterruption interruption)
    {
        session.Screen.Warn($"The job goes on without this program. 'dormouse batch wait {id}{(output is null ? "" : $" --output {output}")}' attaches to it again. Ctrl-C once more within 3 s cancels it.");
        try
        {
            await Task.Delay(SecondThoughts, session.Surroundings.Time, interruption.Cancelled);
        }
        catch (OperationCanceledException)
        {
            var cancelled = await session.Client.Batches.CancelAsync(id, CancellationToken.None);
            session.Screen.Warn($"{id} is {cancelled.State}. What it has is kept: 'dormouse batch results {id}' prints it.");
        }

        return ExitCodes.Interrupted;
    }
}
