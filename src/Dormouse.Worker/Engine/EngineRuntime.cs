using Microsoft.ML.OnnxRuntime;

namespace Dormouse.Worker.Engine;

/// <summary>The engine of this process.</summary>
internal static class EngineRuntime
{
    /// <summary>Loads the engine and makes its environment (some 13 ms); returns its key.</summary>
    internal static string Start()
    {
        var options = new EnvironmentCreationOptions { logId = "dormouse", logLevel = OrtLoggingLevel.ORT_LOGGING_LEVEL_ERROR };
        return EngineKey.Compute(OrtEnv.CreateInstanceWithOptions(ref options).GetVersionString());
    }
}
