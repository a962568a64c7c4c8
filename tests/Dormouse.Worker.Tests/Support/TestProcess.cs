using System.Runtime.CompilerServices;
using Dormouse.Worker.Control;

namespace Dormouse.Worker.Tests.Support;

internal static class TestProcess
{
    // Some tests load the engine here too; its library reads the C environment once.
#pragma warning disable CA2255 // A module initialiser is the only place that surely runs before the library loads.
    [ModuleInitializer]
#pragma warning restore CA2255
    internal static void KeepTheEngineQuiet() => _ = Native.SetEnvironment("ORT_DISABLE_TELEMETRY", "1", 1);
}
