using System.CommandLine;
using Dormouse.Simulation.Comparing;
using Dormouse.Simulation.Randomness;
using Dormouse.Simulation.Worlds;

namespace Dormouse.Cli.Simulation;

/// <summary>Options of <c>simulate</c> that say on what machines it runs.</summary>
internal sealed class GroundsOptions
{
    /// <summary>Of the logarithm of start times.</summary>
    private const double StartDeviation = 0.4;

    /// <summary>Share of a start in which the model loads.</summary>
    private const double LoadShare = 0.15;

    private readonly Option<ulong> _seed = new("--seed") { HelpName = "n", Description = "Chance follows from it: the same seed gives the same result.", DefaultValueFactory = _ => 1 };
    private readonly Option<int?> _machines = new("--machines") { HelpName = "n", Description = "Machines alike; endpoints are dealt out in turn. Default: 1." };
    private readonly Option<int?> _cores = new("--cores") { HelpName = "n", Description = "Cores of a machine: defaults of concurrency and instances go by it. Default: 8." };
    private readonly Option<string?> _memory = new("--machine-memory") { HelpName = "size", Description = "Memory of all instances of a machine together. Default: 24GiB." };
    private readonly Option<string?> _startTime = new("--start-time") { HelpName = "time", Description = "Median time of a cold start, loading included. Default: 30ms." };

    public void AddTo(Command command)
    {
        foreach (var option in new Option[] { _seed, _machines, _cores, _memory, _startTime })
        {
            command.Add(option);
        }
    }

    public Grounds Read(ParseResult parsed)
    {
        var start = SimulateValues.Duration(_startTime.Name, parsed.GetValue(_startTime), TimeSpan.FromMilliseconds(30), TimeSpan.Zero, TimeSpan.FromHours(1));
        var cores = SimulateValues.Within(_cores.Name, parsed.GetValue(_cores) ?? 8, 1, 4_096);
        return new Grounds
        {
            Seed = parsed.GetValue(_seed),
            Machines = SimulateValues.Within(_machines.Name, parsed.GetValue(_machines) ?? 1, 1, 100_000),
            Cores = cores,
            Machine = new MachinePlan
            {
                BudgetMib = SimulateValues.Mib(_memory.Name, parsed.GetValue(_memory), 24 * 1024, 64, 64L * 1024 * 1024),
                StartsAtOnceMax = Math.Min(cores, 256),
                StartTime = new Spread.Lognormal(start * (1 - LoadShare), StartDeviation),
                LoadTime = new Spread.Lognormal(start * LoadShare, StartDeviation),
            },
        };
    }
}
