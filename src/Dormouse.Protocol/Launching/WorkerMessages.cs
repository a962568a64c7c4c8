using System.Collections.Immutable;
using System.Text.Json.Serialization;
using Dormouse.Protocol.Inference;

namespace Dormouse.Protocol.Launching;

/// <summary>
/// Launcher → worker on the control socket (descriptor 3, SOCK_SEQPACKET: one packet is one JSON message, with descriptors as SCM_RIGHTS).
/// A worker gets exactly one assignment in its life. End of file on the socket means: exit at once.
/// </summary>
[JsonPolymorphic(TypeDiscriminatorPropertyName = "type")]
[JsonDerivedType(typeof(ServeAssignment), "serve")]
[JsonDerivedType(typeof(InspectAssignment), "inspect")]
[JsonDerivedType(typeof(ServePythonAssignment), "serve_python")]
[JsonDerivedType(typeof(TemplatePythonAssignment), "template_python")]
[JsonDerivedType(typeof(RestorePythonAssignment), "restore_python")]
[JsonDerivedType(typeof(InspectPythonAssignment), "inspect_python")]
[JsonDerivedType(typeof(ServeForkAssignment), "serve_fork")]
[JsonDerivedType(typeof(ScanPythonAssignment), "scan_python")]
[JsonDerivedType(typeof(BuildEnvironmentAssignment), "build_environment")]
public abstract record WorkerAssignment
{
    /// <summary>Longest single packet, bytes.</summary>
    public const int PacketBytesMax = 160 * 1024;
}

/// <summary>What every assignment of the ONNX worker has.</summary>
public abstract record ModelAssignment : WorkerAssignment
{
    /// <summary>Intra-op threads of one run.</summary>
    public int Threads { get; set; } = 1;

    /// <summary>ONNX Runtime session configuration entries set by the user.</summary>
    public ImmutableSortedDictionary<string, string> Engine { get; set; } = ImmutableSortedDictionary<string, string>.Empty;

    /// <summary>Signature as canonical JSON, or null.</summary>
    public string? Signature { get; init; }
}

/// <summary>Become an instance: load the model and serve it.</summary>
public sealed record ServeAssignment : ModelAssignment
{
    /// <summary>Runs at once; the worker itself refuses more (503) as a guard.</summary>
    public int Concurrency { get; set; } = 1;

    /// <summary>Most invocations that may be inside, running or waiting for a run to end; 0 = twice as many as may run or share runs at once.</summary>
    public int InsideMax { get; set; }

    /// <summary>Rows of a run that invocations may share; 1 = none is shared. The worker takes <see cref="Concurrency"/> × this many invocations at once.</summary>
    public int BatchMax { get; set; } = 1;

    /// <summary>How long a batch waits for more though a run is free.</summary>
    public long BatchDelayMicroseconds { get; set; }

    /// <summary>The instance's memory limit, MiB: what a request may make of it is measured by this.</summary>
    public int MemoryMib { get; set; } = 512;

    /// <summary>Descriptor index of the optimised .ort file, or null.</summary>
    public int? OptimisedDescriptor { get; init; }

    /// <summary>Descriptor index of the package's folder; the model is <see cref="ModelPath"/> in it.</summary>
    public required int FolderDescriptor { get; init; }

    /// <summary>Relative path of the model in the package's folder.</summary>
    public required string ModelPath { get; init; }

    /// <summary>Labels file of the package for classification, relative path, or null.</summary>
    public string? LabelsPath { get; init; }

    /// <summary>Environment entries of the user, set before the model loads.</summary>
    public ImmutableSortedDictionary<string, string> Environment { get; set; } = ImmutableSortedDictionary<string, string>.Empty;
}

/// <summary>Load the original once, say what it is, write the optimised file when asked, and exit.</summary>
public sealed record InspectAssignment : ModelAssignment
{
    public required int FolderDescriptor { get; init; }

    public required string ModelPath { get; init; }

    /// <summary>Above 1 the model is refused unless its invocations can share runs.</summary>
    public int BatchMax { get; set; } = 1;

    /// <summary>Descriptor index to write the optimised file to, or null.</summary>
    public int? OutputDescriptor { get; init; }
}

/// <summary>Worker → launcher → server.</summary>
[JsonPolymorphic(TypeDiscriminatorPropertyName = "type")]
[JsonDerivedType(typeof(WorkerHello), "hello")]
[JsonDerivedType(typeof(WorkerReady), "ready")]
[JsonDerivedType(typeof(WorkerRefused), "refused")]
[JsonDerivedType(typeof(WorkerInspected), "inspected")]
[JsonDerivedType(typeof(PythonReady), "python_ready")]
[JsonDerivedType(typeof(PythonInspected), "python_inspected")]
[JsonDerivedType(typeof(PythonTemplate), "python_template")]
[JsonDerivedType(typeof(FirstCall), "first_call")]
[JsonDerivedType(typeof(SnapshotWaits), "snapshot_waits")]
[JsonDerivedType(typeof(SnapshotRefused), "snapshot_refused")]
[JsonDerivedType(typeof(SnapshotVerified), "snapshot_verified")]
[JsonDerivedType(typeof(WorkerForked), "forked")]
[JsonDerivedType(typeof(WorkerApart), "apart")]
[JsonDerivedType(typeof(ForkWaits), "fork_waits")]
[JsonDerivedType(typeof(ForkEnded), "fork_ended")]
[JsonDerivedType(typeof(PythonScanned), "python_scanned")]
[JsonDerivedType(typeof(EnvironmentBuilt), "environment_built")]
public abstract record WorkerMessage;

/// <summary>Generic and warm: the engine is loaded, the socket listens.</summary>
/// <param name="EngineKey">Engine version and CPU feature set: an optimised file made under another key must not be loaded. Of a Python worker "python-3.11".</param>
/// <param name="Build">"aot" or "jit"; "python".</param>
public sealed record WorkerHello(string EngineKey, string Build) : WorkerMessage;

/// <summary>Specialised: the first request may come.</summary>
/// <param name="LoadMicroseconds">Session creation.</param>
/// <param name="UsedOptimised">False when the original was loaded (also after the optimised one was refused by the engine).</param>
public sealed record WorkerReady(long LoadMicroseconds, ModelInterface Interface, bool UsedOptimised) : WorkerMessage
{
    /// <summary>There was an optimised file, and the engine did not take it: it is damaged.</summary>
    public bool RefusedOptimised { get; init; }
}

/// <summary>The model was refused; the worker exits.</summary>
/// <param name="Reason">Plain words for the person who deployed it: no paths.</param>
public sealed record WorkerRefused(string Reason) : WorkerMessage;

/// <param name="LoadMicroseconds">Session creation from the optimised file, or the original when none was written.</param>
/// <param name="Optimised">True when the output descriptor holds a complete file that was loaded once to prove it.</param>
/// <param name="Note">Why none was written; null otherwise.</param>
public sealed record WorkerInspected(ModelInterface Interface, long LoadMicroseconds, bool Optimised, string? Note) : WorkerMessage;

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(WorkerAssignment))]
[JsonSerializable(typeof(WorkerMessage))]
[JsonSerializable(typeof(PythonInspected))]
[JsonSerializable(typeof(ForkOrder))]
[JsonSerializable(typeof(SnapshotOrder))]
[JsonSerializable(typeof(ForkSettled))]
[JsonSerializable(typeof(PythonScanned))]
[JsonSerializable(typeof(ModelInterface))]
public sealed partial class WorkerJson : JsonSerializerContext;
