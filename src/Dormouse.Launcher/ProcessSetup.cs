using System.Runtime.InteropServices;
using Dormouse.Launcher.Kernel;
using Dormouse.Launcher.Limits;

namespace Dormouse.Launcher;

/// <summary>What the launcher does to itself before the first worker.</summary>
internal static unsafe class ProcessSetup
{
    private const int SweepWaitMilliseconds = 5;
    private static readonly TimeSpan SweepTimeMax = TimeSpan.FromSeconds(2);

    public static void Apply()
    {
        // Orphans of workers come to us and are reaped; no program started from here gains privileges; none leaves a core file.
        _ = Libc.ProcessControl(Libc.SetChildSubreaper, 1, 0, 0, 0);
        _ = Libc.ProcessControl(Libc.SetNoNewPrivileges, 1, 0, 0, 0);
        var none = stackalloc ulong[2] { 0, 0 };
        _ = Libc.ProcessLimit(0, Libc.LimitCore, none, null);
        // Only a privileged launcher may ask the kernel to spare it; without that it is as likely a victim as the server.
        _ = Descriptors.WriteText("/proc/self/oom_score_adj", "-500");
    }

    /// <summary>A descriptor that <see cref="Stop"/> makes readable.</summary>
    public static int StopDescriptor() => Libc.EventDescriptor(0, Libc.CloseOnExec | Libc.NonBlocking);

    public static void Stop(PosixSignalContext context, int stopDescriptor)
    {
        context.Cancel = true;
        var one = 1UL;
        _ = Libc.Write(stopDescriptor, (byte*)&one, sizeof(ulong));
    }

    /// <summary>Ends and removes what an earlier launcher of the same name left: processes, cgroups, workers' sockets.</summary>
    public static void Sweep(WorkerLimiter limiter, string runFolder, TimeProvider time)
    {
        var start = time.GetTimestamp();
        while (!limiter.TrySweep() && time.GetElapsedTime(start) < SweepTimeMax)
            _ = Libc.Poll(null, 0, SweepWaitMilliseconds);
        foreach (var socket in Directory.EnumerateFiles(runFolder, "w*.sock"))
            File.Delete(socket);
    }

    /// <summary>The one line on standard output: the server may connect now.</summary>
    public static void SayListening()
    {
        var line = "listening\n"u8;
        fixed (byte* start = line)
            _ = Libc.Write(1, start, (nuint)line.Length);
    }
}
