using Dormouse.Core.Endpoints;
using Dormouse.Core.Packages;
using Dormouse.Drivers.Launching;
using Dormouse.Drivers.Pool;
using Dormouse.Drivers.Python;

namespace Dormouse.Drivers.Inspecting;

/// <summary>Runs inspections: a bounded number at once, each under its time limit, tried again once when the launcher was lost under it.</summary>
/// <param name="atOnceMax">Inspections that run at once, at least 1; more wait.</param>
/// <param name="inbox">The driver's inbox: all state here belongs to it.</param>
internal sealed class Inspector(ProcessDriverOptions options, int atOnceMax, WorkerPools pools, Inbox inbox, TimeProvider time)
{
    private static readonly InspectionOutcome Stopping = new(new Inspection.Unavailable("The server is stopping."), LauncherLost: false);
    private readonly LinkedList<InspectionRun> _waiting = [];
    private readonly Dictionary<InspectionRun, ITimer> _running = [];
    private LauncherSession? _session;

    public async Task<Inspection> InspectAsync(InspectionRequest request, CancellationToken cancellationToken)
    {
        if (pools.Isolation.Refusal(pools.Isolation.PlacementOf(request.Spec)) is { } refusal)
            return new Inspection.Refused(refusal);
        if (!request.Spec.Kind.RunsModels)
            return await InspectPythonAsync(request, cancellationToken);
        if (ModelFiles.Find(request.Package) is not { } files)
            return new Inspection.Refused(ModelFiles.MissingReason);
        var partPath = request.OptimisedPath is null ? null : request.OptimisedPath + ".part";
        try
        {
            if (partPath is not null)
                Directory.CreateDirectory(Path.GetDirectoryName(Path.GetFullPath(partPath)) ?? "/");
            var outcome = await ExamineAsync(new ModelExamination(request, files, partPath), pools.ModelKind, cancellationToken);
            return outcome.Result is Inspection.Accepted { OptimisedKey: not null } accepted && partPath is not null && request.OptimisedPath is not null
                ? Keep(accepted, partPath, request.OptimisedPath)
                : outcome.Result;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return new Inspection.Unavailable($"The optimised file cannot be written: {exception.Message}");
        }
        finally
        {
            if (partPath is not null && File.Exists(partPath))
                File.Delete(partPath);
        }
    }

    /// <summary>A launcher is there (again).</summary>
    public void Open(LauncherSession session)
    {
        _session = session;
        Next();
    }

    /// <summary>There is no launcher until the next <see cref="Open"/>: new runs wait for one.</summary>
    public void Close() => _session = null;

    /// <summary>Answers every inspection that waits.</summary>
    public void DenyAll(string reason)
    {
        foreach (var run in _waiting.ToArray())
            run.End(new Inspection.Unavailable(reason));
        _waiting.Clear();
    }

    /// <summary>The driver ends: whoever waits or runs gets an answer.</summary>
    public void EndAll()
    {
        DenyAll("The server is stopping.");
        foreach (var run in _running.Keys)
            run.End(Stopping.Result);
    }

    private async Task<Inspection> InspectPythonAsync(InspectionRequest request, CancellationToken cancellationToken)
    {
        if (PythonFiles.Refusal(request.Package, request.Spec.Handler) is { } refusal)
            return new Inspection.Refused(refusal);
        if (!PythonHandler.TryParse(request.Spec.Handler, out var handler))
            return new Inspection.Refused($"handler is '{request.Spec.Handler}'; allowed is {PythonHandler.Form}.");
        var known = new TaskCompletionSource<(WorkerKind?, string)>(TaskCreationOptions.RunContinuationsAsynchronously);
        // Reading a file needs nothing of what it asks for.
        var place = request.Scans ? PythonPlace.Own : PythonPlace.Of(request.Spec);
        if (!inbox.Post(() => pools.WhenKnown(place, (kind, reason) => known.TrySetResult((kind, reason)))))
            return Stopping.Result;
        return await known.Task.WaitAsync(cancellationToken) switch
        {
            ({ } kind, _) => (await ExamineAsync(new PythonExamination(request, handler), kind, cancellationToken)).Result,
            (_, var reason) => new Inspection.Unavailable(reason),
        };
    }

    /// <summary>Runs one in a worker of this kind.</summary>
    public async Task<Inspection> RunAsync(Examination examination, WorkerKind kind, CancellationToken cancellationToken) => (await TryAsync(examination, kind, cancellationToken)).Result;

    private async Task<InspectionOutcome> ExamineAsync(Examination examination, WorkerKind kind, CancellationToken cancellationToken)
    {
        var outcome = await TryAsync(examination, kind, cancellationToken);
        return outcome.LauncherLost ? await TryAsync(examination, kind, cancellationToken) : outcome;
    }

    private async Task<InspectionOutcome> TryAsync(Examination examination, WorkerKind kind, CancellationToken cancellationToken)
    {
        // As its instances will be: loading a model, and reading a pickle above all, runs a stranger's code.
        var placed = Isolation.Place(kind, pools.Isolation.PlacementOf(examination.Request.Spec), options);
        var run = new InspectionRun(examination, placed, options.ProcessesMax);
        if (!inbox.Post(() => Enter(run)))
            return Stopping;
        await using var left = cancellationToken.Register(() => inbox.Post(() => run.End(new Inspection.Unavailable("Nobody waits for it any more."))));
        try
        {
            var outcome = await run.Outcome;
            cancellationToken.ThrowIfCancellationRequested();
            return outcome;
        }
        finally
        {
            inbox.Post(() => Leave(run));
        }
    }

    private void Enter(InspectionRun run)
    {
        _waiting.AddLast(run);
        Next();
    }

    private void Leave(InspectionRun run)
    {
        _waiting.Remove(run);
        if (_running.Remove(run, out var limit))
            limit.Dispose();
        Next();
    }

    private void Next()
    {
        while (_session is { } session && _running.Count < atOnceMax && _waiting.First is { } first)
        {
            _waiting.RemoveFirst();
            var run = first.Value;
            if (run.Outcome.IsCompleted)
                continue; // Nobody waits for it any more.
            _running.Add(run, time.CreateTimer(_ => inbox.Post(run.TimeOver), null, run.TimeLimit, Timeout.InfiniteTimeSpan));
            run.Begin(session);
        }
    }

    /// <summary>Gives a complete optimised file its name; without one, no file is left.</summary>
    private static Inspection.Accepted Keep(Inspection.Accepted accepted, string partPath, string path)
    {
        try
        {
            File.Move(partPath, path, overwrite: true);
            return accepted;
        }
        catch (IOException exception)
        {
            return accepted with { OptimisedKey = null, Note = $"The optimised file could not be kept: {exception.Message}" };
        }
    }
}
