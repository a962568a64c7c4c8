using System.Collections.Immutable;
using System.CommandLine;
using Dormouse.Cli.Commands;
using Dormouse.Cli.Connection;
using Dormouse.Cli.Hosting;
using Dormouse.Cli.Terminal;
using Dormouse.Core.Endpoints;

namespace Dormouse.Cli.Drill;

/// <summary><c>dormouse drill</c>: proves on a running server that nothing is lost, duplicated, wrong or late while its endpoint is changed and its workers are killed.</summary>
internal sealed class DrillCommand
{
    private const double MinutesMax = 1440;
    private const double RateMax = 400;

    private readonly Option<double> _minutes = new("--minutes") { HelpName = "n", Description = "How long to play; one whole cycle is played in any case. Default: 1.", DefaultValueFactory = _ => 1 };
    private readonly Option<double> _rate = new("--rate") { HelpName = "n", Description = "Calls a second of the steady load. Default: 40.", DefaultValueFactory = _ => 40 };
    private readonly Option<string> _deadline = new("--deadline") { HelpName = "time", Description = "A right answer after this is late. Default: 10s.", DefaultValueFactory = _ => "10s" };

    public static Command Create(GlobalOptions globals)
    {
        var drill = new DrillCommand();
        var command = new CliCommand(
            "drill",
            "Call a throw-away endpoint of the running server while it scales, is deployed again, drained, mirrored, overflows, has canaries and is handed over, and its workers are killed; count what was lost, duplicated, wrong or late.",
            "dormouse drill",
            "dormouse drill --minutes 0.3 --output json") { drill._minutes, drill._rate, drill._deadline };
        command.HandlesSignals = true;
        return command.Runs(globals, drill.RunAsync);
    }

    private async Task<int> RunAsync(Session session, ParseResult parsed, CancellationToken cancellationToken)
    {
        var length = TimeSpan.FromMinutes(Within("--minutes", parsed.GetValue(_minutes), MinutesMax));
        var rate = Within("--rate", parsed.GetValue(_rate), RateMax);
        var deadline = Durations.TryParse(parsed.GetValue(_deadline), out var read) && read > TimeSpan.Zero
            ? read
            : throw CommandException.Usage($"--deadline is '{parsed.GetValue(_deadline)}'; needed is {Durations.Forms}, above 0.");
        using var interruption = new Interruption(cancellationToken);
        try
        {
            var report = await PlayAsync(session, length, rate, deadline, interruption.Token);
            report.Write(session.Screen);
            return report.IsKept ? ExitCodes.Done : ExitCodes.Failed;
        }
        catch (OperationCanceledException) when (interruption.Token.IsCancellationRequested)
        {
            return ExitCodes.Interrupted;
        }
    }

    private static async Task<DrillReport> PlayAsync(Session session, TimeSpan length, double rate, TimeSpan deadline, CancellationToken cancellationToken)
    {
        var time = session.Surroundings.Time;
        var traffic = new TrafficHistory();
        await using var endpoint = new DrillEndpoint(session, traffic);
        session.Screen.Note($"deploying {endpoint.Name}, which is deleted at the end …");
        var since = time.GetUtcNow();
        var start = time.GetTimestamp();
        await endpoint.DeployAsync(cancellationToken);

        var caller = new DrillCaller(session.Client.Invocations, endpoint.Name, traffic, deadline, time);
        var receipts = new DrillReceipts(session.Client.Usage, endpoint.Name, time);
        var promises = new DrillPromises();
        var parts = new DrillParts(endpoint, caller, receipts, promises, session.Location.Address);
        var acts = new DrillActs(parts, new DrillLoad(caller, rate, time), session.Screen, time);
        using var over = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var follower = receipts.FollowAsync(over.Token);
        try
        {
            await acts.PlayAsync(length, cancellationToken);
        }
        finally
        {
            await over.CancelAsync();
            await follower;
        }

        var elapsed = time.GetElapsedTime(start);
        var counts = caller.Tally.Acts();
        return new DrillReport(
            endpoint.Name, elapsed.TotalSeconds, deadline.TotalMilliseconds, acts.Cycles, endpoint.Revisions, acts.Killed, ActCounts.Sum(counts), counts,
            await receipts.CompareAsync(caller.Tally.Answered(), since, cancellationToken), [.. Skipped(acts), .. promises.Skipped], promises.Broken, caller.Tally.Faults());
    }

    private static ImmutableArray<string> Skipped(DrillActs acts) =>
        acts.CanKill ? [] : ["kill: skipped, the workers' processes are on another machine or another user's"];

    private static double Within(string option, double value, double most) =>
        value > 0 && value <= most ? value : throw CommandException.Usage($"{option} is {Units.Number(value)}; allowed is above 0, at most {Units.Number(most)}.");
}
