using System.CommandLine;
using Dormouse.Cli.Terminal;
using Dormouse.Simulation.Load;
using Dormouse.Simulation.Randomness;
using Dormouse.Simulation.Traces;

namespace Dormouse.Cli.Simulation;

/// <summary>Options of <c>simulate</c> that say what load comes.</summary>
internal sealed class LoadOptions
{
    private const int EndpointsMax = 1_000_000;
    private const double InvocationsMax = 1e10;
    private const double RunTimeDeviation = 0.5;

    private readonly Option<string?> _trace = new("--trace")
    {
        HelpName = "path",
        Description = "Recorded load: Azure Functions 2019 (folder or file) or 2021, Azure LLM 2023 or 2024, or plain arrivals (docs/simulate.md).",
    };

    private readonly Option<string?> _profile = new("--profile") { Description = "Made-up load." };
    private readonly Option<int?> _endpoints = new("--endpoints") { HelpName = "n", Description = "Endpoints of a profile. Default: 100." };
    private readonly Option<double?> _rate = new("--rate") { HelpName = "n", Description = "Invocations a second of a profile, over all endpoints. Default: 10." };
    private readonly Option<string?> _duration = new("--duration") { HelpName = "time", Description = "How long a profile lasts. Default: 24h." };
    private readonly Option<double?> _skew = new("--skew") { HelpName = "n", Description = "How uneven a profile's endpoints are called: 0 = all alike. Default: 1 (Zipf)." };
    private readonly Option<string?> _runTime = new("--run-time") { HelpName = "time", Description = "Median run time of a profile, or where a trace has none. Default: 100ms." };

    public LoadOptions() => _profile.AcceptOnlyFromAmong("steady", "bursty", "diurnal");

    public void AddTo(Command command)
    {
        foreach (var option in new Option[] { _trace, _profile, _endpoints, _rate, _duration, _skew, _runTime })
        {
            command.Add(option);
        }
    }

    public bool IsGiven(ParseResult parsed) => parsed.GetValue(_trace) is not null || parsed.GetValue(_profile) is not null;

    /// <summary>Reads the trace or makes the profile.</summary>
    public LoadPlan Read(ParseResult parsed)
    {
        var runTime = new Spread.Lognormal(
            SimulateValues.Duration(_runTime.Name, parsed.GetValue(_runTime), TimeSpan.FromMilliseconds(100), TimeSpan.Zero, TimeSpan.FromDays(1)), RunTimeDeviation);
        if (parsed.GetValue(_trace) is { } trace)
        {
            return parsed.GetValue(_profile) is null
                ? ReadTrace(trace, runTime)
                : throw CommandException.Usage("--trace and --profile were both given; one load is simulated at a time.");
        }

        var profile = new Profile
        {
            Shape = Enum.Parse<ProfileShape>(parsed.GetRequiredValue(_profile)!, ignoreCase: true),
            Endpoints = SimulateValues.Within(_endpoints.Name, parsed.GetValue(_endpoints) ?? 100, 1, EndpointsMax),
            Rate = SimulateValues.Within(_rate.Name, parsed.GetValue(_rate) ?? 10, 1e-6, 1e6),
            Duration = SimulateValues.Duration(_duration.Name, parsed.GetValue(_duration), TimeSpan.FromDays(1), TimeSpan.FromSeconds(1), TimeSpan.FromDays(366)),
            Skew = SimulateValues.Within(_skew.Name, parsed.GetValue(_skew) ?? 1, 0, 5),
            RunTime = runTime,
        };
        return profile.Rate * profile.Duration.TotalSeconds <= InvocationsMax
            ? profile.ToLoad()
            : throw CommandException.Usage($"{_rate.Name} × {_duration.Name} gives more than {Units.Count((long)InvocationsMax)} invocations; allowed are at most that many.");
    }

    private static LoadPlan ReadTrace(string trace, Spread runTime)
    {
        try
        {
            return TraceReader.Read(trace, new TraceOptions { RunTime = runTime });
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw CommandException.BadSource($"{trace} cannot be read: {e.Message}");
        }
        catch (TraceException e)
        {
            throw CommandException.BadSource(e.Message);
        }
    }
}
