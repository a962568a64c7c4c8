using System.Text;
using Dormouse.Core.Packages;

namespace Dormouse.Server.Tests.Fakes;

/// <summary>Judges a model by its first word: "bad…" is refused, "busy…" cannot be inspected, anything else is accepted and optimised.</summary>
internal sealed class ControlInspector : IModelInspector
{
    public const string EngineKey = "fake-1";

    private TaskCompletionSource _gate = Open();
    private int _inspections;

    public int Inspections => Volatile.Read(ref _inspections);

    /// <summary>Inspections wait from now on until <see cref="Release"/>.</summary>
    public void Hold() => _gate = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);

    public void Release() => _gate.TrySetResult();

    public async Task<Inspection> InspectAsync(InspectionRequest request, CancellationToken cancellationToken)
    {
        await _gate.Task.WaitAsync(cancellationToken);
        Interlocked.Increment(ref _inspections);
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

    private static TaskCompletionSource Open()
    {
        var open = new TaskCompletionSource();
        open.SetResult();
        return open;
    }
}
