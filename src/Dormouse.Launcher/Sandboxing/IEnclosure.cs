using System.Collections.Immutable;
using Dormouse.Launcher.Workers;
using Dormouse.Protocol.Launching;

namespace Dormouse.Launcher.Sandboxing;

/// <summary>What workers are shut into: a <see cref="Sandbox"/> or a container.</summary>
internal interface IEnclosure
{
    /// <summary>The way in for packages.</summary>
    SandboxDoor Door { get; }

    /// <summary>Forks of a template can be told from each other: whoever asks for namespaces of its own can be listened to.</summary>
    bool KeepsForksApart { get; }

    /// <summary>Whom a worker runs as.</summary>
    SandboxUser UserOf(long worker);

    /// <summary>Starts a worker. Returns 0 or the error number.</summary>
    /// <param name="views">Its own cgroups: folder here, and where it sees it.</param>
    /// <param name="processesMax">Bound of processes and threads where no cgroup has one; 0 = none here.</param>
    /// <exception cref="IOException">It could not be prepared.</exception>
    int Start(WorkerStart start, SandboxRequest request, ImmutableArray<(string Here, string Inside)> views, int processesMax, out int process);

    /// <summary>A worker has said its first word, from which on its process is known.</summary>
    void Found(WorkerProcess worker);

    /// <summary>Removes what is kept for a worker that has ended.</summary>
    /// <param name="name">As in <see cref="WorkerStart.Name"/>.</param>
    void Clear(string name);
}
