using System.CommandLine;
using Dormouse.Simulation.Randomness;

namespace Dormouse.Cli.Simulation;

/// <summary>Options of <c>simulate</c> that say what goes wrong, and how often.</summary>
internal sealed class FaultOptions
{
    private static readonly TimeSpan EveryMax = TimeSpan.FromDays(3_650);

    private readonly Option<string?> _crashEvery = new("--crash-every") { HelpName = "time", Description = "Mean time until an instance that is ready crashes. Default: never." };
    private readonly Option<double?> _failedStarts = new("--failed-starts") { HelpName = "share", Description = "Share of starts that fail, 0 to 1. Default: 0." };
    private readonly Option<double?> _slowStarts = new("--slow-starts") { HelpName = "share", Description = "Share of starts that take --slow-start-factor times as long, 0 to 1. Default: 0." };
    private readonly Option<double?> _slowFactor = new("--slow-start-factor") { HelpName = "n", Description = "How many times as long a slow start takes. Default: 20." };
    private readonly Option<double?> _lostReadiness = new("--lost-readiness") { HelpName = "share", Description = "Share of starts whose end is never heard of, so that start_timeout ends them, 0 to 1. Default: 0." };
    private readonly Option<string?> _jumpEvery = new("--clock-jump-every") { HelpName = "time", Description = "Mean time until a machine stands still and its clock jumps. Default: never." };
    private readonly Option<string?> _jump = new("--clock-jump") { HelpName = "time", Description = "How far the clock jumps. Default: 5s." };
    private readonly Option<string?> _lossEvery = new("--machine-loss-every") { HelpName = "time", Description = "Mean time until a machine is lost with all that is on it. Default: never." };
    private readonly Option<string?> _outage = new("--machine-outage") { HelpName = "time", Description = "How long a lost machine is away. Default: 30s." };

    public void AddTo(Command command)
    {
        foreach (var option in new Option[] { _crashEvery, _failedStarts, _slowStarts, _slowFactor, _lostReadiness, _jumpEvery, _jump, _lossEvery, _outage })
        {
            command.Add(option);
        }
    }

    public FaultPlan Read(ParseResult parsed) => new()
    {
        CrashEvery = Every(parsed, _crashEvery, TimeSpan.FromMilliseconds(1)),
        FailedStarts = Share(parsed, _failedStarts),
        SlowStarts = Share(parsed, _slowStarts),
        SlowStartFactor = SimulateValues.Within(_slowFactor.Name, parsed.GetValue(_slowFactor) ?? FaultPlan.None.SlowStartFactor, 1, 10_000),
        LostReadiness = Share(parsed, _lostReadiness),
        ClockJumpEvery = Every(parsed, _jumpEvery, TimeSpan.FromSeconds(1)),
        ClockJump = Always(parsed, _jump, TimeSpan.FromSeconds(5), TimeSpan.FromDays(1)),
        MachineLossEvery = Every(parsed, _lossEvery, TimeSpan.FromSeconds(1)),
        MachineOutage = Always(parsed, _outage, TimeSpan.FromSeconds(30), TimeSpan.FromDays(30)),
    };

    /// <summary>Zero = never.</summary>
    private static TimeSpan Every(ParseResult parsed, Option<string?> option, TimeSpan min) =>
        SimulateValues.Duration(option.Name, parsed.GetValue(option), TimeSpan.Zero, min, EveryMax);

    private static double Share(ParseResult parsed, Option<double?> option) => SimulateValues.Within(option.Name, parsed.GetValue(option) ?? 0, 0, 1);

    private static Spread.Always Always(ParseResult parsed, Option<string?> option, TimeSpan byDefault, TimeSpan max) =>
        new(SimulateValues.Duration(option.Name, parsed.GetValue(option), byDefault, TimeSpan.Zero, max));
}
