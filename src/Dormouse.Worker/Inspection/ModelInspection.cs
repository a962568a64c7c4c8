using Dormouse.Protocol.Launching;
using Dormouse.Protocol.Signatures;
using Dormouse.Worker.Engine;
using Dormouse.Worker.Running;
using Microsoft.ML.OnnxRuntime;

namespace Dormouse.Worker.Inspection;

/// <summary>Verifies a model and writes its optimised file: the work of a throw-away worker.</summary>
internal static class ModelInspection
{
    /// <summary>Throws <see cref="ModelRefusedException"/> (or <see cref="Pictures.SignatureException"/>) when the model cannot be served.</summary>
    internal static WorkerInspected Inspect(InspectAssignment assignment, Signature? signature, int folder, int? output, TimeProvider time)
    {
        var settings = EngineSettings.Parse(assignment.Threads, assignment.Engine);
        ModelFileCheck.Check(folder, assignment.ModelPath);
        var path = SessionLoader.PathOf(folder, assignment.ModelPath);
        var note = output is not null && !settings.MayUseOptimised
            ? "No optimised file was made: the engine settings may change the graph, and an optimised file has one form for all."
            : null;
        var target = note is null ? output : null;
        var before = time.GetTimestamp();
        using var model = Load(path, settings, new ModelSurroundings { Threads = settings.Threads, Signature = signature, Package = new PackageFolder(folder) }, ref target, ref note);
        var loadTime = time.GetElapsedTime(before);
        if (target is { } written)
        {
            try
            {
                before = time.GetTimestamp();
                using var proof = SessionLoader.FromOptimised(written, settings);
                loadTime = time.GetElapsedTime(before);
            }
            catch (OnnxRuntimeException e)
            {
                note = "The optimised file was written but cannot be loaded: " + EngineMessages.Clean(e.Message);
                target = null;
            }
        }

        return new WorkerInspected(model.Interface, (long)loadTime.TotalMicroseconds, target is not null, note);
    }

    // A model that loads but cannot be saved (above 2 GB, or an operator that the format cannot hold) is served from the original.
    private static LoadedModel Load(string path, EngineSettings settings, ModelSurroundings around, ref int? target, ref string? note)
    {
        if (target is { } output)
        {
            try
            {
                return LoadedModel.Of(SessionLoader.FromOriginalSaving(path, settings, output), around);
            }
            catch (OnnxRuntimeException e)
            {
                target = null;
                note = "No optimised file was made: " + EngineMessages.Clean(e.Message);
            }
        }

        try
        {
            return LoadedModel.Of(SessionLoader.FromOriginal(path, settings), around);
        }
        catch (Exception e) when (e is OnnxRuntimeException or ArgumentException)
        {
            throw new ModelRefusedException(EngineMessages.WhyNotLoaded(e), e);
        }
    }
}
