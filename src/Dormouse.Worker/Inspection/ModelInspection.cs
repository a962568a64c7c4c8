using Dormouse.Protocol.Inference;
using Dormouse.Protocol.Launching;
using Dormouse.Protocol.Signatures;
using Dormouse.Worker.Control;
using Dormouse.Worker.Engine;
using Dormouse.Worker.Pictures;
using Dormouse.Worker.Running;
using Microsoft.ML.OnnxRuntime;

namespace Dormouse.Worker.Inspection;

/// <summary>Verifies a model and writes its optimised file: the work of a throw-away worker.</summary>
internal static class ModelInspection
{
    /// <summary>Throws <see cref="ModelRefusedException"/> (or <see cref="SignatureException"/>) when the model cannot be served.</summary>
    internal static WorkerInspected Inspect(InspectAssignment assignment, Signature? signature, int folder, int? output, TimeProvider time)
    {
        var settings = EngineSettings.Parse(assignment.Threads, assignment.Engine);
        ModelFileCheck.Check(folder, assignment.ModelPath);
        var path = SessionLoader.PathOf(folder, assignment.ModelPath);
        var note = output is not null && !settings.MayUseOptimised
            ? "No optimised file was made: the engine settings may change the graph, and an optimised file has one form for all."
            : null;
        var target = note is null ? output : null;
        var around = new ModelSurroundings { Threads = settings.Threads, Signature = signature, Package = new PackageFolder(folder) };
        var before = time.GetTimestamp();
        ModelInterface seen;
        TimeSpan loadTime;
        using (var original = Load(path, settings, around, ref target, ref note))
        {
            seen = original.Interface;
            loadTime = time.GetElapsedTime(before);
            if (assignment.BatchMax > 1 && BatchTrial.WhyNot(original) is { } reason)
            {
                throw new ModelRefusedException($"batch_max is {assignment.BatchMax}, but invocations of this model cannot share a run: {reason} Leave batch_max out, or deploy another model.");
            }
        }

        if (target is { } written)
        {
            // Two sessions at once would need their weights twice.
            Heap.Trim();
            var defaulted = DefaultedInputs.Of(folder, assignment.ModelPath);
            before = time.GetTimestamp();
            if (WhyUnusable(written, settings, around with { DefaultedInputs = defaulted }, seen) is { } reason)
            {
                note = "The optimised file was written but " + reason;
                target = null;
            }
            else
            {
                loadTime = time.GetElapsedTime(before);
            }
        }

        return new WorkerInspected(seen, (long)loadTime.TotalMicroseconds, target is not null, note);
    }

    /// <summary>Null when the optimised file loads and shows its callers what the original does.</summary>
    private static string? WhyUnusable(int optimised, EngineSettings settings, ModelSurroundings around, ModelInterface expected)
    {
        try
        {
            using var proof = LoadedModel.Of(SessionLoader.FromOptimised(optimised, settings), around);
            return InterfaceComparison.Difference(expected, proof.Interface) is { } difference ? $"describes another interface: {difference}" : null;
        }
        catch (OnnxRuntimeException e)
        {
            return "cannot be loaded: " + EngineMessages.Clean(e.Message);
        }
        catch (Exception e) when (e is ModelRefusedException or SignatureException)
        {
            return "describes another interface: " + e.Message;
        }
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
                Heap.Trim();
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
