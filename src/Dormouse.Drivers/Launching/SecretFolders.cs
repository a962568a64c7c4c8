using System.Collections.Immutable;
using Dormouse.Core.Secrets;
using Dormouse.Protocol.Launching;

namespace Dormouse.Drivers.Launching;

/// <summary>Secrets on their way into a worker, and where those lie that are files: in a sandbox in memory of its own; without one in a folder beside the worker's socket, which only the server's user reads and which goes with the worker.</summary>
internal static class SecretFolders
{
    private const string Ending = ".secrets";

    /// <summary>What a worker is told; null = nothing.</summary>
    public static AssignedSecrets? Assigned(InstanceSecrets secrets) => secrets.IsEmpty ? null : new AssignedSecrets { Variables = Encoded(secrets.Variables), Files = Encoded(secrets.Files) };

    /// <summary>The assignment with the folder that this worker is to use.</summary>
    public static WorkerAssignment Placed(WorkerAssignment assignment, Worker worker) => assignment switch
    {
        PythonAssignment { Secrets: { Files.IsEmpty: false } secrets } serve => serve with { Secrets = secrets with { Folder = FolderOf(worker) } },
        InspectPythonAssignment { Secrets: { Files.IsEmpty: false } secrets } inspect => inspect with { Secrets = secrets with { Folder = FolderOf(worker) } },
        _ => assignment,
    };

    /// <summary>The worker is gone.</summary>
    public static void Remove(Worker worker)
    {
        if (worker.SecretsFolder is { } folder)
            Remove(folder);
    }

    /// <summary>Removes what workers of a server that was killed have left.</summary>
    public static void Sweep(string runFolder)
    {
        foreach (var folder in Directory.EnumerateDirectories(runFolder, "*" + Ending))
            Remove(folder);
    }

    private static string FolderOf(Worker worker)
    {
        if (worker.Kind?.Sandbox is not null)
            return SandboxRequest.SecretsPath;
        worker.SecretsFolder = worker.SocketPath + Ending;
        return worker.SecretsFolder;
    }

    private static void Remove(string folder)
    {
        try
        {
            if (Directory.Exists(folder))
                Directory.Delete(folder, recursive: true);
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            // A process that the worker left behind writes there; the next server of this folder sweeps it.
        }
    }

    private static ImmutableSortedDictionary<string, string> Encoded(ImmutableArray<KeyValuePair<string, ImmutableArray<byte>>> values) =>
        values.ToImmutableSortedDictionary(e => e.Key, e => Convert.ToBase64String(e.Value.AsSpan()), StringComparer.Ordinal);
}
