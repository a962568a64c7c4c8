using System.Globalization;
using Dormouse.Worker.Control;
using Microsoft.ML.OnnxRuntime;

namespace Dormouse.Worker.Engine;

/// <summary>Makes sessions from open descriptors. The engine's own exceptions come through; <see cref="EngineMessages"/> puts them in plain words.</summary>
internal static class SessionLoader
{
    /// <summary>Path by which the engine opens a descriptor of this process.</summary>
    internal static string PathOf(int descriptor) => string.Create(CultureInfo.InvariantCulture, $"/proc/self/fd/{descriptor}");

    /// <summary>Path of a file in a folder that is open as a descriptor.</summary>
    internal static string PathOf(int folder, string relative) => PathOf(folder) + "/" + relative;

    /// <summary>Loads an optimised file in place.</summary>
    internal static InferenceSession FromOptimised(int descriptor, EngineSettings settings)
    {
        using var options = settings.ForOptimised();
        return new InferenceSession(PathOf(descriptor), options);
    }

    /// <summary>Loads the original, and gives back what the optimiser needed for it (more than twice the weights).</summary>
    internal static InferenceSession FromOriginal(string path, EngineSettings settings)
    {
        using var options = settings.ForOriginal();
        var session = new InferenceSession(path, options);
        Heap.Trim();
        return session;
    }

    /// <summary>Loads the original and writes the optimised graph to a descriptor.</summary>
    internal static InferenceSession FromOriginalSaving(string path, EngineSettings settings, int outputDescriptor)
    {
        using var options = settings.ForOriginal();
        options.OptimizedModelFilePath = PathOf(outputDescriptor);
        options.AddSessionConfigEntry("session.save_model_format", "ORT");
        return new InferenceSession(path, options);
    }
}
