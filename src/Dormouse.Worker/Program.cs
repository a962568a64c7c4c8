using System.Globalization;
using System.Runtime.CompilerServices;
using Dormouse.Worker.Control;

namespace Dormouse.Worker;

internal static class Program
{
    private const int Misused = 2;

    private static int Main(string[] args)
    {
        int? listener = args is [_, _, "--listener", var number] && int.TryParse(number, NumberStyles.None, CultureInfo.InvariantCulture, out var parsed) ? parsed : null;
        if (args is not ["--socket", { Length: > 0 } socketPath, ..] || (args.Length != 2 && listener is null))
        {
            Console.Error.WriteLine("usage: dormouse-worker --socket PATH [--listener DESCRIPTOR] (started by the launcher, with its control socket as descriptor 3)");
            return Misused;
        }

        // Read by the engine when its library loads; the launcher sets it too. Without it the engine writes a device id and calls home.
        _ = Native.SetEnvironment("ORT_DISABLE_TELEMETRY", "1", 1);
        using var control = ControlSocket.TryOpen();
        if (control is null)
        {
            Console.Error.WriteLine("dormouse-worker: descriptor 3 is not a control socket. The launcher starts workers; use 'dormouse serve'.");
            return Misused;
        }

        using var worker = new WorkerProcess(socketPath, listener, control, TimeProvider.System);
        return worker.Run(RuntimeFeature.IsDynamicCodeCompiled ? "jit" : "aot");
    }
}
