using System.Diagnostics;
using Dormouse.Bench;

var root = args.Length > 0 ? Path.GetFullPath(args[0]) : Environment.CurrentDirectory;
var wanted = args.Skip(1).ToHashSet(StringComparer.Ordinal);
var subjects = Subject.Find(root).ToArray();
var peers = new Peers(root);
var report = new Report(Path.Combine(root, "artifacts/bench/results.json"));
if (subjects.All(s => s.Name != "mobilenet"))
{
    report.Note("../shared/data/onnx is absent: only the bundled model is measured, and targets for mobilenet are not shown.");
}

var legs = new (string Name, Func<Task> Run)[]
{
    ("cold", () => ColdStarts.PooledAsync(report, root, subjects, peers)),
    ("empty-pool", () => ColdStarts.EmptyPoolAsync(report, root, subjects)),
    ("python", () => PythonStarts.RunAsync(report, root)),
    ("python-onnx", () => OnnxStarts.RunAsync(report, root, subjects)),
    ("frozen", () => Frozen.RunAsync(report, root)),
    ("isolation-start", () => Isolation.StartAsync(report, root, subjects)),
    ("isolation-throughput", () => Isolation.ThroughputAsync(report, root, subjects)),
    ("neighbours", () => Isolation.NeighboursAsync(report, root, subjects)),
    ("returned", () => Isolation.ReturnedAsync(report, root, subjects)),
    ("overhead", () => Warm.OverheadAsync(report, root, subjects, peers)),
    ("throughput", () => Warm.ThroughputAsync(report, root, subjects, peers)),
    ("batching", () => Batching.RunAsync(report, root, subjects)),
    ("workers", () => Footprint.WorkersAsync(report, root, subjects)),
    ("sessions", () => Task.Run(() => Footprint.SessionsAlone(report, subjects))),
    ("creep", () => Footprint.CreepAsync(report, root, subjects)),
    ("server", () => Footprint.ServerAsync(report, root, subjects)),
    ("decision", () => Task.Run(() => Decisions.Measure(report))),
    ("reaction", () => Scaling.ReactionAsync(report, root, subjects)),
    ("burst", () => Scaling.BurstAsync(report, root, subjects)),
    ("agreement", () => Scaling.AgreementAsync(report, root, subjects)),
    ("registered", () => Registered.WarmAsync(report, root, subjects)),
    ("curve", () => Simulated.CurveAsync(report, root)),
    ("simulator", () => Simulated.DayAsync(report, root)),
    ("queued", () => Queued.RunAsync(report, root, subjects)),
    ("registered-start", () => Registered.StartAsync(report, root, subjects)),
};
foreach (var (name, run) in legs.Where(l => wanted.Count == 0 || wanted.Contains(l.Name)))
{
    Console.WriteLine($"\n== {name}");
    await run();
}

using var git = Process.Start(new ProcessStartInfo("git", ["-C", root, "rev-parse", "--short", "HEAD"]) { RedirectStandardOutput = true });
report.Write(git is null ? "unknown" : (await git.StandardOutput.ReadToEndAsync()).Trim());
return 0;
