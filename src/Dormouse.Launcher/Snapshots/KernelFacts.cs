namespace Dormouse.Launcher.Snapshots;

/// <summary>
/// What CRIU found out about the kernel, which takes it longer than most of a restore. It notes that below <c>/run</c>, which in a sandbox is new each time; so the launcher keeps the file with the snapshot, which is
/// of one boot and one CRIU as well, and lays it into the next sandbox. CRIU looks itself whether the file is one of its own.
/// </summary>
internal static class KernelFacts
{
    private const string FileName = "criu.kdat";

    /// <summary>Larger ones are none.</summary>
    private const int BytesMax = 64 * 1024;

    /// <summary>Lays what is known into a sandbox. Without it CRIU finds out anew.</summary>
    /// <param name="worker">A process in it, as this machine numbers it.</param>
    public static void LayOut(string folder, int worker) => TryCopy(Path.Combine(folder, FileName), Inside(worker));

    /// <summary>Keeps what CRIU noted in a sandbox, unless something is kept already.</summary>
    public static void Keep(string folder, int worker)
    {
        var kept = Path.Combine(folder, FileName);
        if (!File.Exists(kept))
            TryCopy(Inside(worker), kept);
    }

    /// <summary>Only root may write there, inside and out.</summary>
    private static string Inside(int worker) => $"/proc/{worker}/root/run/{FileName}";

    private static void TryCopy(string from, string to)
    {
        try
        {
            if (new FileInfo(from) is { Exists: true, Length: > 0 and <= BytesMax })
                File.Copy(from, to);
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            // A disk is full, or the sandbox has just ended: the restore says the latter itself.
            Console.Error.WriteLine($"What CRIU knows of the kernel cannot be kept: {fault.Message}");
        }
    }
}
