using Dormouse.Protocol.Launching;
using Dormouse.Protocol.Signatures;
using Dormouse.Worker.Control;
using Dormouse.Worker.Engine;
using Dormouse.Worker.Inspection;
using Microsoft.ML.OnnxRuntime;

namespace Dormouse.Worker.Running;

/// <summary>Turns a generic worker into an instance.</summary>
internal static class InstanceStart
{
    /// <summary>The loaded model and what to tell the server. Throws <see cref="ModelRefusedException"/> when it cannot be served.</summary>
    internal static (LoadedModel Model, WorkerReady Ready) Load(ServeAssignment assignment, Signature? signature, int folder, int? optimised, TimeProvider time)
    {
        foreach (var (name, value) in assignment.Environment)
        {
            // The engine reads the C library's environment, which .NET's own setter does not reach.
            _ = Native.SetEnvironment(name, value, 1);
            Environment.SetEnvironmentVariable(name, value);
        }

        var settings = EngineSettings.Parse(assignment.Threads, assignment.Engine);
        var around = new ModelSurroundings { Threads = settings.Threads, Signature = signature, Package = new PackageFolder(folder), LabelsPath = assignment.LabelsPath };
        var isRefused = false;
        if (optimised is { } descriptor && settings.MayUseOptimised)
        {
            // Beside the loading: it takes as long as a small model does.
            var defaulted = Task.Run(() => DefaultedInputs.Of(folder, assignment.ModelPath));
            if (TryOptimised(descriptor, settings, time) is var (session, elapsed))
            {
                var model = LoadedModel.Of(session, around with { DefaultedInputs = defaulted.GetAwaiter().GetResult() });
                model.PrefetchFrom(descriptor);
                return (model, new WorkerReady((long)elapsed.TotalMicroseconds, model.Interface, UsedOptimised: true));
            }

            isRefused = true;
        }

        // A model that was deployed without being verified meets the same checks here.
        ModelFileCheck.Check(folder, assignment.ModelPath);
        try
        {
            var before = time.GetTimestamp();
            var original = SessionLoader.FromOriginal(SessionLoader.PathOf(folder, assignment.ModelPath), settings);
            var loadTime = time.GetElapsedTime(before);
            var model = LoadedModel.Of(original, around);
            return (model, new WorkerReady((long)loadTime.TotalMicroseconds, model.Interface, UsedOptimised: false) { RefusedOptimised = isRefused });
        }
        catch (Exception e) when (e is OnnxRuntimeException or ArgumentException)
        {
            throw new ModelRefusedException(EngineMessages.WhyNotLoaded(e), e);
        }
    }

    private static (InferenceSession Session, TimeSpan Elapsed)? TryOptimised(int descriptor, EngineSettings settings, TimeProvider time)
    {
        var before = time.GetTimestamp();
        _ = Prefetch.ReadAhead(descriptor);
        try
        {
            return (SessionLoader.FromOptimised(descriptor, settings), time.GetElapsedTime(before));
        }
        catch (OnnxRuntimeException e)
        {
            Console.Error.WriteLine("The optimised file was not accepted, the original is loaded: " + EngineMessages.Clean(e.Message));
            return null;
        }
    }
}
