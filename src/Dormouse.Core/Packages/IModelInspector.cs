using Dormouse.Core.Endpoints;
using Dormouse.Core.Secrets;

namespace Dormouse.Core.Packages;

/// <summary>Loads a model (or imports code) once in a throw-away worker under limits of its own, and may write its optimised file.</summary>
public interface IModelInspector
{
    /// <summary>Never throws for a bad model: that is <see cref="Inspection.Refused"/>.</summary>
    Task<Inspection> InspectAsync(InspectionRequest request, CancellationToken cancellationToken);
}

public sealed record InspectionRequest
{
    public required RevisionSpec Spec { get; init; }

    public required Package Package { get; init; }

    /// <summary>Values that the code gets while it is imported.</summary>
    public InstanceSecrets Secrets { get; init; } = InstanceSecrets.None;

    /// <summary>Folder with the package's files.</summary>
    public required string Folder { get; init; }

    /// <summary>Say which functions the package has (<see cref="Inspection.Listed"/>), not how the spec's handler is called. Not for models.</summary>
    public bool Lists { get; init; }

    /// <summary>Say which environments the package's functions ask for (<see cref="Inspection.Listed"/> of the protocol's <c>PythonScanned</c>) without importing anything. Not for models.</summary>
    public bool Scans { get; init; }

    /// <summary>Where to write the optimised file; null = verify only.</summary>
    public string? OptimisedPath { get; init; }

    /// <summary>Memory limit of the inspection, bytes.</summary>
    public required long MemoryBytes { get; init; }

    public required TimeSpan TimeLimit { get; init; }
}

public abstract record Inspection
{
    private Inspection()
    {
    }

    /// <param name="Interface">JSON of the protocol's <c>ModelInterface</c>.</param>
    /// <param name="OptimisedKey">Key of the written file; null when none was written, then <paramref name="Note"/> may say why.</param>
    /// <param name="LoadTime">Session creation from the optimised file, or from the original when there is none.</param>
    public sealed record Accepted(string Interface, string? OptimisedKey, TimeSpan LoadTime, string? Note) : Inspection;

    /// <param name="Contents">JSON of the protocol's <c>PythonInspected</c>.</param>
    /// <param name="EngineKey">What imported it, such as "python-3.11".</param>
    public sealed record Listed(string Contents, string EngineKey, TimeSpan LoadTime) : Inspection;

    /// <param name="Reason">The engine's reason in plain words.</param>
    public sealed record Refused(string Reason) : Inspection;

    /// <summary>The inspection itself could not run (no worker, full disk); says nothing of the model.</summary>
    public sealed record Unavailable(string Reason) : Inspection;
}
