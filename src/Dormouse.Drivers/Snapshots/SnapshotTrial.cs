using Dormouse.Core.Endpoints;
using Dormouse.Core.Instances;
using Dormouse.Drivers.Instances;
using Dormouse.Drivers.Templates;
using Dormouse.Protocol.Launching;

namespace Dormouse.Drivers.Snapshots;

/// <summary>Finds out whether templates can be written down and restored on this machine, by doing it with one that does nothing.</summary>
/// <param name="post">Runs work in the driver's inbox; false: it is closed.</param>
internal sealed class SnapshotTrial(ProcessDriverOptions options, IInstanceHost host, Func<Action, bool> post)
{
    private const string Name = "snapshots";

    private readonly TrialTemplate _trial = new(options, host, post);

    /// <summary>Null: settings say that there are none.</summary>
    public async Task<ProbeResult?> RunAsync(CancellationToken cancellationToken)
    {
        if (options is { SnapshotsFolder: null } or { SnapshotBytesMax: 0 } or { TemplatesMemoryBytes: 0 })
            return null;
        if (CriuSearch.Find(options.Criu, out var missing) is not { } criu)
            return Failed(missing);
        return await _trial.RunAsync(IsolationLevel.Sandbox, sparesWanted: 0, (template, package) => Take(template, package, criu), _ => { }, cancellationToken) is { } problem
            ? Failed(problem)
            : new(Name, Works: true, "what sandboxed Python endpoints have loaded is kept on disk and restored after a restart of the server");
    }

    private static ProbeResult Failed(string why) => new(Name, Works: false, $"after a restart of the server Python endpoints are loaded anew: {why}");

    private void Take(RevisionTemplate template, TrialPackage package, CriuProgram criu) =>
        new SnapshotTaking(template, package.Image, criu, record: null, host, work => post(work), outcome => _trial.Found(outcome.Compared is null ? outcome.Problem : null)).Begin();
}
