using System.CommandLine;
using Dormouse.Cli.Commands;
using Dormouse.Cli.Connection;
using Dormouse.Cli.Deploy;
using Dormouse.Cli.Destinations;
using Dormouse.Cli.Pipelines;
using Dormouse.Cli.Queues;
using Dormouse.Cli.Terminal;
using Dormouse.Core.Instances;
using Dormouse.Core.Pipelines;
using Dormouse.Protocol.Control;

namespace Dormouse.Cli.Endpoints;

/// <summary><c>dormouse describe N</c>.</summary>
internal static class DescribeCommand
{
    public static Command Create(GlobalOptions globals)
    {
        var name = Arguments.Endpoint();
        var scaling = new Option<bool>("--scaling") { Description = "Show only when and why instances were added and removed." };
        var command = new CliCommand(
            "describe",
            "Show an endpoint: its model's inputs and outputs, settings, traffic and instances.",
            "dormouse describe digits",
            "dormouse describe digits --scaling") { name, scaling };
        return command.Runs(globals, async (session, parsed, cancellationToken) =>
        {
            var endpoint = await session.Client.Endpoints.GetAsync(parsed.GetRequiredValue(name), cancellationToken);
            if (session.Screen.IsJson)
            {
                session.Screen.Json(endpoint, ControlJson.Default.EndpointInfo);
            }
            else if (parsed.GetValue(scaling))
            {
                WriteScaling(session, endpoint);
            }
            else
            {
                Write(session, endpoint);
            }
        });
    }

    private static void Write(Session session, EndpointInfo endpoint)
    {
        var screen = session.Screen;
        var time = session.Surroundings.Time;
        Pair(screen, "endpoint", $"{endpoint.Name} is {endpoint.Status}{(endpoint.Queued > 0 ? $", {endpoint.Queued} waiting" : "")}");
        Pair(screen, "address", endpoint.Url + (endpoint.Public ? " (public)" : ""));
        Pair(screen, "traffic", ListCommand.Traffic(endpoint));
        if (endpoint.Tags is { } tags)
        {
            Pair(screen, "tags", string.Join(", ", tags.Select(t => $"{t.Key} {t.Value}")));
        }

        if (endpoint.Canary is { } canary)
        {
            Pair(screen, "canary", Canary(canary));
        }

        if (endpoint.Handover is { } handover)
        {
            Pair(screen, "handover", HandoverReport.Sentence(handover, time));
        }

        if (endpoint.Mirror is { } mirror)
        {
            Pair(screen, "mirror", MirrorCommand.Sentence(mirror));
        }

        if (endpoint.OnSuccess is not null || endpoint.OnFailure is not null)
        {
            Pair(screen, "reports", DestinationCommand.Sentence(endpoint));
        }

        if (endpoint.Queue is { } queue)
        {
            Pair(screen, "queue", QueueCommand.Sentence(queue));
        }

        foreach (var overflow in endpoint.Overflow ?? [])
        {
            Pair(screen, "overflow", Overflow(overflow, time));
        }

        Pair(screen, "made", Units.Time(endpoint.CreatedAt, time));
        if (Busiest(endpoint) is { } revision)
        {
            WriteRevision(session, revision);
        }

        if (endpoint.Instances.IsEmpty && Busiest(endpoint)?.Pipeline is not null)
        {
            return;
        }

        if (endpoint.Instances.IsEmpty)
        {
            Pair(screen, "instances", "none");
            return;
        }

        screen.Line();
        screen.Table(
            ["INSTANCE", "REVISION", "STATE", ">RUNNING", ">MEMORY", "STARTED", "IDLE SINCE"],
            endpoint.Instances.Select(i => new[]
            {
                i.Id, i.Revision, i.Provisioned ? i.State + " (provisioned)" : i.WaitsFor is { } lacks ? $"{i.State} ({lacks})" : i.State, Units.Count(i.Running) + (i.ConcurrencyLimit is { } limit ? $" of {limit}" : ""), i.MemoryBytes is { } bytes ? Units.Bytes(bytes) : "",
                Units.Time(i.StartedAt, time), i.IdleSince is { } since ? Units.Time(since, time) : "",
            }));
        foreach (var instance in endpoint.Instances.Where(i => i.OlderSecrets is not null))
        {
            screen.Note($"{instance.Id} was started before {string.Join(", ", instance.OlderSecrets!)} was set and has the value before until it ends."); // The filter says that they are there.
        }
    }

    private static string Canary(CanaryInfo canary)
    {
        var state = $"{canary.Revision} is {canary.State.Replace('_', ' ')}";
        return canary switch
        {
            { Reason: { } reason } => $"{state}: {reason}",
            { New: { } newer, Old: { } older } =>
                $"{state} with {canary.Settings.Percent} %: {Counts(newer)} against {Counts(older)}; decided after {canary.Settings.Min} of each, within {canary.Settings.For}{(canary.WaitsFor is { } awaited ? $"; waits for {awaited}" : "")}",
            _ => state,
        };
    }

    private static string Overflow(OverflowInfo overflow, TimeProvider time) =>
        $"{overflow.Host} of {overflow.Revision} is {overflow.State.Replace('_', ' ')}{(overflow.Until is { } until ? $" until {Units.Time(until, time)}" : "")}: "
        + $"{overflow.Running} of {overflow.Max} there now, {overflow.Answered} answered, {overflow.NotTaken} not taken, {overflow.Failed} failed"
        + (overflow.LastFailure is { } why ? $"; the last failure: {why}" : "");

    private static string Counts(CanaryCountsInfo counts) =>
        $"{counts.Calls} {(counts.Calls == 1 ? "call" : "calls")}, {counts.Failed} failed, {counts.Rejected} rejected, median {Units.Milliseconds(counts.MedianMs)} ms";

    private static string Template(TemplateInfo template) => template switch
    {
        { State: "refused", Reason: { } reason } => $"refused, instances are started one by one: {reason}",
        { State: "ready" } => $"ready, {Units.Bytes(template.MemoryBytes ?? 0)}: instances are forks of it, {template.Forks} so far, {template.Spares} made ahead",
        _ => "is being made",
    };

    private static string Snapshot(SnapshotInfo snapshot)
    {
        var uses = snapshot.Restored + snapshot.Failed > 0 ? $"; {snapshot.Restored} restored, {snapshot.Failed} failed since the server started" : "";
        return snapshot.State switch
        {
            "kept" => $"{Units.Bytes(snapshot.SizeBytes ?? 0)} on disk, {Verified(snapshot.Compared)}{uses}",
            "refused" => $"refused, after a restart it is loaded anew: {snapshot.Reason}{uses}",
            "waiting" => $"is taken when the template idles{uses}",
            _ => $"none{(snapshot.Reason is { } reason ? $": {reason}" : "")}{uses}",
        };
    }

    private static string Verified(string? compared) => compared switch
    {
        "answer" => "verified: it answers a call as before",
        "status" => "verified by status alone: its answers are never the same",
        _ => "restored once; no call could be compared",
    };

    private static void WritePipeline(Screen screen, PipelineDefinition pipeline, RevisionInfo revision)
    {
        foreach (var (key, value) in SettingsText.Of(revision.Settings))
        {
            Pair(screen, key, value);
        }

        screen.Line();
        screen.Table(["STEP", "CALLS", ""], pipeline.Steps.Select(s => new[] { s.Name, PipelineText.Target(s), PipelineText.Terms(s) }));
    }

    private static void WriteRevision(Session session, RevisionInfo revision)
    {
        var screen = session.Screen;
        screen.Line();
        Pair(screen, "revision", $"{revision.Name} is {revision.State}, {Units.Bytes(revision.SizeBytes)} in {revision.Files.Length} {(revision.Files.Length == 1 ? "file" : "files")}, {Units.Time(revision.CreatedAt, session.Surroundings.Time)}");
        if (revision.Failure is { } failure)
        {
            Pair(screen, "refused", failure);
        }

        if (PipelineText.Read(revision.Pipeline) is { } pipeline)
        {
            WritePipeline(screen, pipeline, revision);
            return;
        }

        if (revision.PythonEnvironment is { } environment)
        {
            Pair(screen, "environment", environment);
        }

        if (revision.LoadMs is { } ms)
        {
            Pair(screen, "loads in", Units.Milliseconds(ms) + " ms" + (revision.Optimised ? " (optimised)" : ""));
        }

        if (revision.Template is { } template)
        {
            Pair(screen, "template", Template(template));
        }

        if (revision.Snapshot is { } snapshot)
        {
            Pair(screen, "snapshot", Snapshot(snapshot));
        }

        if (revision.Interface?.Function is { } function)
        {
            WriteFunction(screen, revision, function);
        }
        else if (revision.Interface is { } model)
        {
            var title = "inputs";
            foreach (var input in model.Inputs)
            {
                Pair(screen, title, Units.Tensor(input));
                title = "";
            }

            title = "outputs";
            foreach (var output in model.Outputs)
            {
                Pair(screen, title, Units.Tensor(output));
                title = "";
            }

            if (!model.Accepts.IsDefaultOrEmpty)
            {
                Pair(screen, "takes", string.Join(", ", model.Accepts));
            }
        }
        else
        {
            Pair(screen, revision.Settings.Handler is null ? "model" : "function", "not loaded yet: its inputs and outputs are known after the first start");
        }

        screen.Line();
        if (revision is { Isolation: { } level, Settings.Isolation: null })
        {
            Pair(screen, "isolation", $"{level} (the server's default)");
        }

        if (revision.Limits is { } limits)
        {
            Pair(screen, "limits", limits == LimitsLevels.ResourceLimits ? $"{limits}: memory is bounded, processor time is not" : $"by {limits}");
        }

        foreach (var (key, value) in SettingsText.Of(revision.Settings))
        {
            Pair(screen, key, value);
        }
    }

    private static void WriteFunction(Screen screen, RevisionInfo revision, Protocol.Inference.FunctionInterface function)
    {
        Pair(screen, "function", FunctionText.Of(revision.Settings.Handler ?? "handler", function));
        if (function.Kind is { } kind)
        {
            Pair(screen, "kind", kind + (function.Stream ? ", streams its values" : ""));
        }

        if (function.Input is { } input)
        {
            Pair(screen, "input schema", input.GetRawText());
        }

        if (function.Output is { } output)
        {
            Pair(screen, "output schema", output.GetRawText());
        }
    }

    /// <summary>The revision with most traffic, else the newest.</summary>
    private static RevisionInfo? Busiest(EndpointInfo endpoint) =>
        endpoint.Revisions.OrderByDescending(r => r.Weight).ThenByDescending(r => r.Number).FirstOrDefault();

    private static void WriteScaling(Session session, EndpointInfo endpoint)
    {
        if (endpoint.Scaling.IsEmpty)
        {
            session.Screen.Note("Nothing has been started or stopped since the server started.");
        }

        foreach (var change in endpoint.Scaling.Reverse())
        {
            session.Screen.Line($"{Units.Time(change.At, session.Surroundings.Time)}  {change.From} → {change.To}   {change.Reason}{(endpoint.Revisions.Length > 1 ? $" ({change.Revision})" : "")}");
        }
    }

    private static void Pair(Screen screen, string name, string value) => screen.Line($"{Shown.Line(name),-22}{Shown.Line(value)}");
}
