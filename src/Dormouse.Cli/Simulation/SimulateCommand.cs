using System.Collections.Immutable;
using System.CommandLine;
using System.Globalization;
using Dormouse.Cli.Commands;
using Dormouse.Cli.LocalFiles;
using Dormouse.Cli.Terminal;
using Dormouse.Simulation.Knative;

namespace Dormouse.Cli.Simulation;

/// <summary><c>dormouse simulate</c>: needs no server.</summary>
internal static class SimulateCommand
{
    public static Command Create(GlobalOptions globals)
    {
        var kpa = new Option<string[]>("--kpa")
        {
            HelpName = "file",
            Description = "Replay a load that was recorded with Knative's decisions (format kpa-trace-1) on our autoscaler, and show where they first differ. May be given more than once.",
            Required = true,
        };
        var command = new CliCommand(
            "simulate",
            "Run the product's own scaling decisions on recorded load, without a server. Ends with 1 when a decision differs.",
            "dormouse simulate --kpa step.json",
            "dormouse simulate --kpa step.json --kpa ramp.json --output json") { kpa };
        return command.Runs(globals, async (session, parsed, cancellationToken) =>
        {
            var replays = ImmutableArray.CreateBuilder<ReplayDocument>();
            foreach (var file in parsed.GetRequiredValue(kpa))
            {
                replays.Add(await ReplayAsync(file, cancellationToken));
            }

            var done = new ReplaysDocument(replays.DrainToImmutable());
            Write(session.Screen, done);
            return done.Replays.All(r => r.FirstDifference is null) ? ExitCodes.Done : ExitCodes.Failed;
        });
    }

    private static async Task<ReplayDocument> ReplayAsync(string file, CancellationToken cancellationToken)
    {
        try
        {
            var recording = KnativeRecording.Parse(await LocalFile.RunAsync(() => LocalFile.ReadBytes(file, "recording", LocalFile.TextBytesMax), cancellationToken));
            var result = KnativeReplay.Run(recording);
            return new ReplayDocument(file, recording.Name, result.Ticks, result.FirstDifference);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw CommandException.BadSource($"{file} cannot be read: {e.Message}");
        }
        catch (RecordingException e)
        {
            throw CommandException.BadSource($"{file} cannot be replayed. {e.Message}");
        }
    }

    private static void Write(Screen screen, ReplaysDocument done)
    {
        if (screen.IsJson)
        {
            screen.Json(done, CliJson.Default.ReplaysDocument);
            return;
        }

        screen.Table(
            ["FILE", ">DECISIONS", ">SECOND", "COLUMN", ">KNATIVE", ">DORMOUSE", "RESULT"],
            done.Replays.Select(r => r.FirstDifference is { } difference
                ? new[] { r.File, Units.Count(r.Decisions), difference.Second.ToString(CultureInfo.InvariantCulture), difference.Column, difference.Expected, difference.Actual, "differs" }
                : [r.File, Units.Count(r.Decisions), "", "", "", "", "the same"]));
    }
}

internal sealed record ReplaysDocument(ImmutableArray<ReplayDocument> Replays);

/// <param name="Decisions">How many were compared, the one that differs included.</param>
internal sealed record ReplayDocument(string File, string Name, int Decisions, RecordedDifference? FirstDifference);
