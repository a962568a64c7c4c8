using System.Collections.Immutable;
using System.CommandLine;
using Dormouse.Cli.Commands;
using Dormouse.Protocol.Control;

namespace Dormouse.Cli.Deploy;

/// <summary>Options of <c>deploy</c> that set a revision's policy. Values go to the server as text: it knows the machine's limits.</summary>
internal sealed class SettingsOptions
{
    private readonly Option<string?> _runtime = Text("--runtime", "name", "What opens the package: onnx or python. Default: by the source.");
    private readonly Option<string?> _handler = Text("--handler", "file::function", "Function that answers, such as app.py::classify. Default: each function of the app becomes an endpoint.");
    private readonly Option<string?> _memory = Text("--memory", "size", "Memory limit and price class of an instance, 64MiB or more. Default: 512MiB.");
    private readonly Option<double?> _cpu = new("--cpu") { HelpName = "cores", Description = "Cores of an instance. Default: all; of a function 1." };
    private readonly Option<double?> _reserveCpu = new("--reserve-cpu") { HelpName = "cores", Description = "Cores kept for an instance as long as it is there, such as 0.5: a start for which machine.cpu has none left waits. Default: 0, none." };
    private readonly Option<string?> _concurrency = Text("--concurrency", "n|auto|unlimited", "Invocations that one instance runs at once; auto: as many as do not slow each other; unlimited (or 0): no limit, the target decides how many instances there are. Default: its cores; of a function 1.");
    private readonly Option<int?> _batchMax = Number("--batch-max", "Most rows of a run that waiting invocations of equal shape may share. Default: 1, none is shared.");
    private readonly Option<string?> _batchDelay = Text("--batch-delay", "time", "How long the first of a batch waits for others though a run is free, 0s to 1s. Default: 0s.");
    private readonly Option<int?> _minInstances = Number("--min-instances", "Instances kept while idle. Default: 0, it scales to zero.");
    private readonly Option<int?> _provisioned = Number("--provisioned", "Instances that are always warm, paid for whether they run or not; runs on them cost less. Default: 0.");
    private readonly Option<int?> _spare = Number("--spare", "Instances kept free above what is busy, while the endpoint is in use. Default: 0.");
    private readonly Option<double?> _target = new("--target") { HelpName = "share", Description = "Share of an instance's slots that shall be busy on average, 0.1 to 1: as many instances as the last minute's load over it asks for are kept. Default: none." };
    private readonly LoadOptions _load = new();
    private readonly Option<string?> _scaleDownDelay = Text("--scale-down-delay", "time", "The most instances that the load asked for in this time are kept. Default: 0s.");
    private readonly Option<string[]> _floors = new("--floor")
    {
        HelpName = "CRON [ZONE] for TIME = n",
        Description = "Instances kept for a time from each moment of a schedule on, such as '0 8 * * MON-FRI Europe/Berlin for 10h = 2'; zone UTC when left out; may be repeated.",
    };
    private readonly Option<int?> _maxInstances = Number("--max-instances", "Most instances at once. Default: what fits the machine.");
    private readonly Option<string?> _idleTimeout = Text("--idle-timeout", "time", "How long an idle instance is kept. Default: 60s.");
    private readonly Option<string?> _frozenFor = Text("--frozen-for", "time", "How long an instance stays frozen before it goes, once it was idle for its keep-alive, such as 10m: it keeps its memory, uses no processor time and serves again in about a millisecond. Default: 0s, it goes at once.");
    private readonly Option<string?> _keepAlive = Text(
        "--keep-alive", "mode", "learned: the last instance as long as earlier gaps taught; fixed: --idle-timeout. Default: learned unless --idle-timeout is given.");
    private readonly Option<string?> _timeout = Text("--timeout", "time", "Longest run, from the hand-over to the instance. Default: 60s.");
    private readonly Option<string?> _startTimeout = Text("--start-timeout", "time", "Longest start of an instance. Default: 60s.");
    private readonly Option<string?> _queueTimeout = Text("--queue-timeout", "time", "Longest wait in the queue. Default: 60s.");
    private readonly Option<int?> _queueLimit = Number("--queue-limit", "Most invocations that wait at once. Default: 1000.");
    private readonly Option<string?> _queueLimitBytes = Text("--queue-limit-bytes", "size", "Most bytes of bodies that wait at once. Default: 256MiB.");
    private readonly Option<int?> _asyncConcurrency = Number("--async-concurrency", "Asynchronous calls that are taken from the queue at once. Default: as many as could run.");
    private readonly Option<double?> _asyncRate = new("--async-rate") { HelpName = "calls", Description = "Asynchronous calls that are taken from the queue a second, such as 5 or 0.1. Default: no bound." };
    private readonly Option<string[]> _environment = new("--env") { HelpName = "NAME=VALUE", Description = "Environment of the instance; may be repeated." };
    private readonly Option<string[]> _engine = new("--engine") { HelpName = "key=value", Description = "Session setting of the engine; may be repeated." };
    private readonly Option<string?> _isolation = Text("--isolation", "level", "How instances are kept from the machine and from each other: sandbox, container (the same in a container of crun or runc), or process (they see what the server sees). Default: the server's, sandbox where it can make one.");
    private readonly Option<string?> _network = Text("--network", "access", "none (in a sandbox or container) or outbound (there: to the internet, never to this machine). Default: as the isolation has it, in a sandbox none.");
    private readonly OverflowOptions _overflow = new();
    private readonly PythonOptions _python = new();
    private readonly SecretOptions _secrets = new();
    private readonly Option<bool?> _public = new("--public") { Description = "Callers need no key. --public false takes it back." };

    public void AddTo(Command command)
    {
        foreach (var option in new Option[]
        {
            _runtime, _handler, _isolation, _network, _memory, _cpu, _reserveCpu, _concurrency, _batchMax, _batchDelay, _minInstances, _provisioned, _spare, _target, _scaleDownDelay, _floors, _maxInstances, _idleTimeout, _frozenFor, _keepAlive, _timeout, _startTimeout, _queueTimeout,
            _queueLimit, _queueLimitBytes, _asyncConcurrency, _asyncRate, _environment, _engine, _public,
        })
        {
            command.Add(option);
        }

        _load.AddTo(command);
        _overflow.AddTo(command);
        _python.AddTo(command);
        _secrets.AddTo(command);
    }

    /// <summary>Null where nothing was said.</summary>
    public RevisionSettings Read(ParseResult parsed) => _secrets.Read(parsed, _python.Read(parsed, new RevisionSettings
    {
        Runtime = parsed.GetValue(_runtime),
        Handler = parsed.GetValue(_handler),
        Isolation = parsed.GetValue(_isolation),
        Network = parsed.GetValue(_network),
        Memory = parsed.GetValue(_memory),
        Cpu = parsed.GetValue(_cpu),
        ReserveCpu = parsed.GetValue(_reserveCpu),
        Concurrency = Concurrency(parsed.GetValue(_concurrency)),
        BatchMax = parsed.GetValue(_batchMax),
        BatchDelay = parsed.GetValue(_batchDelay),
        MinInstances = parsed.GetValue(_minInstances),
        Provisioned = parsed.GetValue(_provisioned),
        SpareInstances = parsed.GetValue(_spare),
        TargetUtilization = parsed.GetValue(_target),
        ScaleDownDelay = parsed.GetValue(_scaleDownDelay),
        TargetConcurrency = parsed.GetValue(_load.TargetConcurrency),
        TargetRps = parsed.GetValue(_load.TargetRps),
        StableWindow = parsed.GetValue(_load.StableWindow),
        PanicWindow = parsed.GetValue(_load.PanicWindow),
        PanicThreshold = parsed.GetValue(_load.PanicThreshold),
        MaxScaleUpRate = parsed.GetValue(_load.MaxScaleUpRate),
        MaxScaleDownRate = parsed.GetValue(_load.MaxScaleDownRate),
        InitialInstances = parsed.GetValue(_load.InitialInstances),
        ActivationInstances = parsed.GetValue(_load.ActivationInstances),
        ScaleToZeroGrace = parsed.GetValue(_load.ScaleToZeroGrace),
        Floors = parsed.GetValue(_floors) is { Length: > 0 } floors ? [.. floors] : null,
        MaxInstances = parsed.GetValue(_maxInstances),
        IdleTimeout = parsed.GetValue(_idleTimeout),
        FrozenFor = parsed.GetValue(_frozenFor),
        KeepAlive = parsed.GetValue(_keepAlive),
        Timeout = parsed.GetValue(_timeout),
        StartTimeout = parsed.GetValue(_startTimeout),
        QueueTimeout = parsed.GetValue(_queueTimeout),
        QueueLimit = parsed.GetValue(_queueLimit),
        QueueLimitBytes = parsed.GetValue(_queueLimitBytes),
        AsyncConcurrency = parsed.GetValue(_asyncConcurrency),
        AsyncRate = parsed.GetValue(_asyncRate),
        Environment = Pairs(parsed, _environment),
        Engine = Pairs(parsed, _engine),
        Overflow = _overflow.Read(parsed),
        Public = parsed.GetValue(_public),
    }));

    private static ImmutableSortedDictionary<string, string>? Pairs(ParseResult parsed, Option<string[]> option) =>
        parsed.GetValue(option) is { Length: > 0 } values
            ? values.Aggregate(ImmutableSortedDictionary.Create<string, string>(StringComparer.Ordinal), (all, text) => Arguments.Pair(option.Name, text) is var (k, v) ? all.SetItem(k, v) : all)
            : null;

    private static ConcurrencySetting? Concurrency(string? text) => text is null
        ? null
        : ConcurrencySetting.Parse(text) ?? throw Terminal.CommandException.Usage($"--concurrency is '{text}'; a number, '{ConcurrencySetting.AutoText}' or '{ConcurrencySetting.UnlimitedText}' is needed.");

    private static Option<string?> Text(string name, string value, string description) => new(name) { HelpName = value, Description = description };

    private static Option<int?> Number(string name, string description) => new(name) { HelpName = "n", Description = description };
}
