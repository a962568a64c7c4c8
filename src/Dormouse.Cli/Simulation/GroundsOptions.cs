using System.CommandLine;
using System.Globalization;
using Dormouse.Cli.Terminal;
using Dormouse.Core;
using Dormouse.Server.Floors;
using Dormouse.Simulation.Comparing;
using Dormouse.Simulation.Randomness;
using Dormouse.Simulation.Worlds;

namespace Dormouse.Cli.Simulation;

/// <summary>Options of <c>simulate</c> that say on what machines it runs, with what callers, and what goes wrong.</summary>
internal sealed class GroundsOptions
{
    /// <summary>Of the logarithm of start times.</summary>
    private const double StartDeviation = 0.4;

    /// <summary>Share of a start in which the model loads.</summary>
    private const double LoadShare = 0.15;

    /// <summary>A Monday: weeks of a schedule begin where people think they do.</summary>
    private const string BeginsByDefault = "2026-01-05T00:00:00Z";

    private readonly Option<ulong> _seed = new("--seed") { HelpName = "n", Description = "Chance follows from it: the same seed gives the same result.", DefaultValueFactory = _ => 1 };
    private readonly Option<int?> _machines = new("--machines") { HelpName = "n", Description = "Machines alike; endpoints are dealt out in turn. Default: 1." };
    private readonly Option<int?> _cores = new("--cores") { HelpName = "n", Description = "Cores of a machine: defaults of concurrency and instances go by it. Default: 8." };
    private readonly Option<string?> _memory = new("--machine-memory") { HelpName = "size", Description = "Memory of all instances of a machine together. Default: 24GiB." };
    private readonly Option<double?> _reservable = new("--machine-cpu") { HelpName = "cores", Description = "Cores of a machine that reserve_cpu of policies may reserve. Default: --cores." };
    private readonly Option<double?> _startsPerSecond = new("--starts-per-second") { HelpName = "n", Description = "Starts that may begin on a machine in a second, such as 5 or 0.5. Default: no bound." };
    private readonly Option<string?> _startTime = new("--start-time") { HelpName = "time", Description = "Median time of a cold start, loading included. Default: 30ms." };
    private readonly Option<int?> _knee = new("--knee") { HelpName = "n", Description = "Runs at once on an instance that do not slow each other; more share what n have. Default: any number." };
    private readonly Option<double?> _batchGrowth = new("--batch-growth") { HelpName = "share", Description = "With batch_max: what each further invocation adds to a shared run, as a share of the longest. Default: 0.25." };
    private readonly Option<string?> _callerDeadline = new("--caller-deadline") { HelpName = "time", Description = "Every caller names this deadline. Default: none does." };
    private readonly Option<string?> _begins = new("--begins-at") { HelpName = "when", Description = $"Wall clock at the load's beginning, for floors of a policy. Default: {BeginsByDefault}, a Monday." };

    private readonly FaultOptions _faults = new();

    public void AddTo(Command command)
    {
        foreach (var option in new Option[] { _seed, _machines, _cores, _memory, _reservable, _startsPerSecond, _startTime, _knee, _batchGrowth, _callerDeadline, _begins })
        {
            command.Add(option);
        }

        _faults.AddTo(command);
    }

    public Grounds Read(ParseResult parsed)
    {
        var start = SimulateValues.Duration(_startTime.Name, parsed.GetValue(_startTime), TimeSpan.FromMilliseconds(30), TimeSpan.Zero, TimeSpan.FromHours(1));
        var cores = SimulateValues.Within(_cores.Name, parsed.GetValue(_cores) ?? 8, 1, 4_096);
        var begins = Begins(parsed.GetValue(_begins));
        return new Grounds
        {
            Seed = parsed.GetValue(_seed),
            Machines = SimulateValues.Within(_machines.Name, parsed.GetValue(_machines) ?? 1, 1, 100_000),
            Cores = cores,
            Machine = new MachinePlan
            {
                BudgetMib = SimulateValues.Mib(_memory.Name, parsed.GetValue(_memory), 24 * 1024, 64, 64L * 1024 * 1024),
                StartsAtOnceMax = Math.Min(cores, 256),
                StartsPerSecond = parsed.GetValue(_startsPerSecond) is { } rate ? SimulateValues.Within(_startsPerSecond.Name, rate, 0.01, 10_000) : null,
                ReservableCores = parsed.GetValue(_reservable) is { } reservable ? SimulateValues.Within(_reservable.Name, reservable, 0.1, 4_096) : cores,
                StartTime = new Spread.Lognormal(start * (1 - LoadShare), StartDeviation),
                LoadTime = new Spread.Lognormal(start * LoadShare, StartDeviation),
            },
            Faults = _faults.Read(parsed),
            Callers = new CallerPlan
            {
                WithDeadline = parsed.GetValue(_callerDeadline) is null ? 0 : 1,
                Deadline = new Spread.Always(SimulateValues.Duration(
                    _callerDeadline.Name, parsed.GetValue(_callerDeadline), TimeSpan.Zero, TimeSpan.FromMilliseconds(1), TimeSpan.FromDays(1))),
            },
            Runs = new RunPlan
            {
                Knee = parsed.GetValue(_knee) is { } knee ? SimulateValues.Within(_knee.Name, knee, 1, 1_000) : 0,
                BatchGrowth = SimulateValues.Within(_batchGrowth.Name, parsed.GetValue(_batchGrowth) ?? RunPlan.Free.BatchGrowth, 0, 1),
            },
            Floors = (spec, duration) => [.. FloorSchedule.Over(spec, begins, duration).Select(f => new PlannedFloor(new MonotonicTime(f.After.Ticks), f.Instances))],
        };
    }

    private DateTimeOffset Begins(string? text) =>
        DateTimeOffset.TryParse(text ?? BeginsByDefault, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal | DateTimeStyles.AdjustToUniversal, out var time)
            ? time
            : throw CommandException.Usage($"{_begins.Name} is '{text}'; allowed is a time such as {BeginsByDefault}.");
}
