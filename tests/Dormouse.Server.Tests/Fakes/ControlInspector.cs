using System.Collections.Concurrent;
using System.Text;
using System.Text.Json.Nodes;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Packages;

namespace Dormouse.Server.Tests.Fakes;

/// <summary>Judges a model by its first word: "bad…" is refused, "busy…" cannot be inspected, anything else is accepted and optimised.</summary>
internal sealed class ControlInspector : IModelInspector
{
    private TaskCompletionSource _gate = Open();
    private int _inspections;

    /// <summary>Engine and processor of the workers that inspect from now on.</summary>
    public string EngineKey { get; set; } = "fake-1";

    public int Inspections => Volatile.Read(ref _inspections);

    /// <summary>How files were imported that were asked for their functions.</summary>
    public ConcurrentQueue<RevisionSpec> Imports { get; } = [];

    /// <summary>Inspections wait from now on until <see cref="Release"/>.</summary>
    public void Hold() => _gate = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);

    public void Release() => _gate.TrySetResult();

    public async Task<Inspection> InspectAsync(InspectionRequest request, CancellationToken cancellationToken)
    {
        await _gate.Task.WaitAsync(cancellationToken);
        Interlocked.Increment(ref _inspections);
        if (!request.Spec.Kind.RunsModels)
        {
            if (request is { Lists: true, Scans: false })
            {
                Imports.Enqueue(request.Spec);
            }

            return await CodeAsync(request, cancellationToken);
        }

        var model = request.Package.Files.First(f => f.Path.EndsWith(".onnx", StringComparison.Ordinal));
        var content = await File.ReadAllTextAsync(Path.Combine(request.Folder, model.Path), cancellationToken);
        if (content.StartsWith("bad", StringComparison.Ordinal))
        {
            return new Inspection.Refused("The file is no ONNX model: it begins with 'bad'.");
        }

        if (content.StartsWith("busy", StringComparison.Ordinal))
        {
            return new Inspection.Unavailable("no worker could be started");
        }

        if (request.OptimisedPath is { } path)
        {
            await File.WriteAllTextAsync(path, "optimised " + content, Encoding.UTF8, cancellationToken);
        }

        return new Inspection.Accepted(ControlServer.InterfaceJson, request.OptimisedPath is null ? null : EngineKey, TimeSpan.FromMilliseconds(1.5), null);
    }

    /// <summary>Code that begins with '{' is what its inspection says.</summary>
    private static async Task<Inspection> CodeAsync(InspectionRequest request, CancellationToken cancellationToken)
    {
        var code = await File.ReadAllTextAsync(Path.Combine(request.Folder, request.Package.Files.First(f => f.Path.EndsWith(".py", StringComparison.Ordinal)).Path), cancellationToken);
        return request.Scans ? new Inspection.Listed(Scanned(code), "python-3.11", TimeSpan.Zero)
            : !code.StartsWith('{') ? new Inspection.Refused("app.py:1: NameError: name 'bad' is not defined")
            : request.Lists ? new Inspection.Listed(code, "python-3.11", TimeSpan.FromMilliseconds(7))
            : new Inspection.Accepted("""{"platform":"python","inputs":[],"outputs":[],"function":{"kind":"function","input":{"type":"object","properties":{"n":{"type":"integer"}}}}}""", null, TimeSpan.FromMilliseconds(7), null);
    }

    /// <summary>What the code's inspection says of decorators is also what stands in them.</summary>
    private static string Scanned(string code)
    {
        var functions = code.StartsWith('{') ? JsonNode.Parse(code)!["functions"]!.AsArray() : [];
        var scanned = functions.Select(f => new JsonObject { ["name"] = f!["name"]!.GetValue<string>().Split('.')[0], ["settings"] = f["settings"]?.DeepClone() ?? new JsonObject() });
        return new JsonObject { ["module"] = "app.py", ["functions"] = new JsonArray([.. scanned]) }.ToJsonString();
    }

    private static TaskCompletionSource Open()
    {
        var open = new TaskCompletionSource();
        open.SetResult();
        return open;
    }
}
