using System.Collections.Immutable;
using System.CommandLine;
using System.Globalization;
using Dormouse.Cli.Commands;
using Dormouse.Cli.Connection;
using Dormouse.Cli.LocalFiles;
using Dormouse.Cli.Terminal;
using Dormouse.Server.Floors;
using Dormouse.Simulation.Comparing;
using Dormouse.Simulation.Knative;
using Dormouse.Simulation.Reports;

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
        };
        var policies = new Option<string[]>("--policy")
        {
            HelpName = "file",
            Description = "Settings to run the load with, as YAML; may be given more than once. Default: the product's own, a fixed keep-alive of 10 minutes and Knative's.",
        };
        var report = new Option<string?>("--report") { HelpName = "file", Description = "Also write the comparison as an HTML page with charts: one file, nothing from the network." };
        var curve = new Option<bool>("--curve") { Description = "Show memory against cold starts: the learned and the fixed keep-alive and Knative's with several settings each, and the learned one at the memory and at the cold starts of the rivals." };
        var load = new LoadOptions();
        var grounds = new GroundsOptions();
        var command = new CliCommand(
            "simulate",
            "Run the product's own decisions on recorded or made-up load, on virtual time and without a server, and compare policies. With --kpa it ends with 1 when a decision differs.",
            "dormouse simulate --trace azure-functions-2019/",
            "dormouse simulate --trace arrivals.csv --policy quick.yaml --policy patient.yaml",
            "dormouse simulate --profile bursty --endpoints 1000 --rate 100 --duration 24h --report bursty.html",
            "dormouse simulate --profile diurnal --policy office-hours.yaml --caller-deadline 2s --machine-loss-every 6h",
            "dormouse simulate --trace arrivals.csv --machine-memory 1TiB --curve",
            "dormouse simulate --kpa step.json --kpa ramp.json --output json");
        load.AddTo(command);
        command.Add(policies);
        command.Add(curve);
        command.Add(report);
        grounds.AddTo(command);
        command.Add(kpa);
        return command.Runs(globals, async (session, parsed, cancellationToken) =>
        {
            var recordings = parsed.GetValue(kpa) ?? [];
            if (load.IsGiven(parsed) == recordings.Length > 0)
            {
                throw CommandException.Usage("One of --trace, --profile and --kpa is needed, and no two of them.");
            }

            if (parsed.GetValue(curve) && (recordings.Length > 0 || parsed.GetValue(policies) is { Length: > 0 }))
            {
                throw CommandException.Usage("--curve has policies of its own; give it without --policy and --kpa.");
            }

            if (recordings.Length == 0)
            {
                await CompareAsync(session, load, grounds, parsed.GetValue(policies) ?? [], parsed.GetValue(curve), parsed.GetValue(report), parsed, cancellationToken);
                return ExitCodes.Done;
            }

            var replays = ImmutableArray.CreateBuilder<ReplayDocument>();
            foreach (var file in recordings)
            {
                replays.Add(await ReplayAsync(file, cancellationToken));
            }

            var done = new ReplaysDocument(replays.DrainToImmutable());
            Write(session.Screen, done);
            return done.Replays.All(r => r.FirstDifference is null) ? ExitCodes.Done : ExitCodes.Failed;
        });
    }

    private static async Task CompareAsync(
        Session session, LoadOptions load, GroundsOptions grounds, string[] files, bool isCurve, string? report, ParseResult parsed, CancellationToken cancellationToken)
    {
        var ground = grounds.Read(parsed);
        if (report is not null && Path.GetDirectoryName(Path.GetFullPath(report)) is { } folder && !Directory.Exists(folder))
        {
            // Said before a run that may take long.
            throw CommandException.BadSource($"--report is {report}, and there is no folder {folder}.");
        }

        ImmutableArray<Policy> policies = isCurve ? KeepAliveCurve.Policies : files.Length == 0 ? Policy.BuiltIn : [.. files.Select(PolicyFile.Read)];
        var plan = await session.Activity.RunAsync("reading the load", () => Task.Run(() => load.Read(parsed), cancellationToken));
        try
        {
            foreach (var policy in policies)
            {
                // All are judged before the first one runs, which may take long.
                var faults = Comparison.Specs(plan, policy, ground).Distinct().SelectMany(s => FloorSchedule.Faults(s)).Distinct().ToList();
                if (faults.Count > 0)
                {
                    throw new PolicyException(policy.Name, faults);
                }
            }
        }
        catch (PolicyException e)
        {
            throw CommandException.BadSource(e.Message);
        }

        var results = await ComparisonRun.RunAsync(session, plan, ground, policies, cancellationToken);
        var matches = isCurve ? await ComparisonRun.MatchAsync(session, plan, ground, results, cancellationToken) : [];
        ComparisonRun.Write(session.Screen, ComparisonDocument.Of(plan, ground, results) with { Matches = isCurve ? [.. matches.Select(MatchDocument.Of)] : null });
        if (report is not null)
        {
            await File.WriteAllTextAsync(report, HtmlReport.Write(plan, ground, results, matches), cancellationToken);
            session.Screen.Note($"The report is in {report}.");
        }
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
