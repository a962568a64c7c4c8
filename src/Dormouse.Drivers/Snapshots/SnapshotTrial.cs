using Dormouse.Core.Endpoints;
using Dormouse.Core.Instances;
using Dormouse.Drivers.Instances;
using Dormouse.Drivers.Templates;

namespace Dormouse.Drivers.Snapshots;

/// <summary>Finds out whether templates can be written down and restored on this machine, by doing it with one that does nothing.</summary>
/// <param name="post">Runs work in the driver's inbox; false: it is closed.</param>
internal sealed class SnapshotTrial(ProcessDriverOptions options, IInstanceHost host, Func<Action, bool> post)
{
    private const string Name = "snapshots";
    private static readonly TimeSpan TimeMax = TimeSpan.FromSeconds(30);

    private readonly TaskCompletionSource<string?> _problem = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private RevisionTemplate? _template;

    /// <summary>Null: settings say that there are none.</summary>
    public async Task<ProbeResult?> RunAsync(CancellationToken cancellationToken)
    {
        if (options is { SnapshotsFolder: null } or { SnapshotBytesMax: 0 } or { TemplatesMemoryBytes: 0 })
            return null;
        if (CriuSearch.Find(options.Criu, out var missing) is not { } criu)
            return Failed(missing);
        using var deadline = new CancellationTokenSource(TimeMax, host.Time);
        using var linked = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, deadline.Token);
        try
        {
            using var package = await TrialPackage.MakeAsync(options.RunFolder, linked.Token);
            try
            {
                var image = Directory.CreateDirectory(Path.Combine(package.Folder, "image")).FullName;
                if (!post(() => Begin(package.Start(IsolationLevel.Sandbox), image, criu)))
                    return Failed("The server is stopping.");
                return await _problem.Task.WaitAsync(linked.Token) is { } problem
                    ? Failed(problem)
                    : new(Name, Works: true, "what sandboxed Python endpoints have loaded is kept on disk and restored after a restart of the server");
            }
            finally
            {
                post(() => _template?.End(TemplateState.Ended, ""));
            }
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            return Failed($"A trial was not over within {TimeMax.TotalSeconds} s.");
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            return Failed(fault.Message);
        }
    }

    private static ProbeResult Failed(string why) => new(Name, Works: false, $"after a restart of the server Python endpoints are loaded anew: {why}");

    private void Begin(InstanceStart start, string image, Protocol.Launching.CriuProgram criu)
    {
        _template = new(start, snapshot: null, sparesWanted: 0, host, work => post(work), Changed, _ => { });
        _template.Begin();

        void Changed(RevisionTemplate template)
        {
            if (template.State == TemplateState.Ready)
                new SnapshotTaking(template, image, criu, record: null, host, work => post(work), outcome => _problem.TrySetResult(outcome.Compared is null ? outcome.Problem : null)).Begin();
            else
                _problem.TrySetResult(template.Reason.Length > 0 ? template.Reason : "A template could not be made.");
        }
    }
}
