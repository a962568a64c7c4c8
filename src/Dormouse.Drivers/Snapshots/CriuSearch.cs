using Dormouse.Protocol.Launching;

namespace Dormouse.Drivers.Snapshots;

/// <summary>Finds CRIU: where the settings say, else among this machine's programs.</summary>
internal static class CriuSearch
{
    private const string Program = "criu";
    private static readonly string[] Folders = ["/usr/sbin", "/usr/bin", "/usr/local/sbin", "/usr/local/bin"];

    /// <param name="wanted">A program, or the folder of a system of its own that has one; null = this machine's.</param>
    /// <param name="problem">Why there is none, a sentence with what mends it; "" where there is.</param>
    public static CriuProgram? Find(string? wanted, out string problem)
    {
        problem = "";
        if (wanted is not null && Directory.Exists(wanted))
        {
            var root = Path.GetFullPath(wanted);
            if (Folders.Select(folder => Path.Join(root, folder, Program)).FirstOrDefault(File.Exists) is { } inside)
                return new(root, inside);
            problem = $"The folder {wanted} (workers.criu) has no usr/sbin/criu. 'mmdebstrap --variant=extract --include=criu trixie {wanted}' makes one that has.";
            return null;
        }

        var found = wanted is null ? Folders.Select(folder => Path.Combine(folder, Program)).FirstOrDefault(File.Exists) : File.Exists(wanted) ? Path.GetFullPath(wanted) : null;
        if (found is not null && found.StartsWith("/usr/", StringComparison.Ordinal))
            return new(null, found);
        problem = found is not null ? $"The program {found} (workers.criu) is not below /usr, and a sandbox shows no other programs. Say the folder of a system of its own that has it."
            : wanted is not null ? $"There is no {wanted} (workers.criu)."
            : "The program criu is missing: 'apt-get install criu' (4.0 or later), or say in workers.criu the folder of a system that has it.";
        return null;
    }
}
