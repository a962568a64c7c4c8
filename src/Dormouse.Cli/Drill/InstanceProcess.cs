using System.ComponentModel;
using System.Diagnostics;

namespace Dormouse.Cli.Drill;

/// <summary>A process of an instance on this machine.</summary>
internal static class InstanceProcess
{
    /// <summary>Sends SIGKILL to a worker of this product; false when it is none, is gone, or belongs to somebody else.</summary>
    /// <remarks>A server behind a tunnel or in a container has process ids of its own: what the id means here is looked at before anything is killed.</remarks>
    public static bool Kill(int processId)
    {
        try
        {
            if (!IsWorker(processId))
            {
                return false;
            }

            using var process = Process.GetProcessById(processId);
            process.Kill();
            return true;
        }
        catch (Exception e) when (e is ArgumentException or InvalidOperationException or Win32Exception or IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }

    private static bool IsWorker(int processId) =>
        File.ReadAllText($"/proc/{processId}/cmdline").Split('\0').Any(a => Path.GetFileName(a) == "dormouse-worker");
}
