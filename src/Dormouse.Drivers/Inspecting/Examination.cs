using System.Collections.Immutable;
using System.Text.Json;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Packages;
using Dormouse.Drivers.Launching;
using Dormouse.Protocol.Inference;
using Dormouse.Protocol.Launching;

namespace Dormouse.Drivers.Inspecting;

/// <summary>What an inspection asks a worker, and what it makes of the answer: the part of it in which runtimes differ.</summary>
internal abstract class Examination(InspectionRequest request)
{
    public InspectionRequest Request => request;

    public virtual long MemoryBytes => request.MemoryBytes;

    public virtual TimeSpan TimeLimit => request.TimeLimit;

    public virtual double Cpu => request.Spec.Cpu;

    /// <summary>A sentence.</summary>
    public abstract string TookTooLong { get; }

    /// <summary>A sentence.</summary>
    public abstract string NeedsMoreMemory { get; }

    /// <summary>Why it ended its own process, a sentence.</summary>
    /// <param name="end">How: "ended with exit code 1".</param>
    public abstract string EndedItself(string end);

    public abstract WorkerAssignment Assignment { get; }

    public abstract ImmutableArray<DescriptorSource> Descriptors { get; }

    /// <summary>What a message that ends the inspection means; null = it does not.</summary>
    public abstract Inspection? Read(Worker worker, WorkerMessage message);

    /// <summary>A line that it wrote: nobody's but a build's. The engine's own words about a stranger's file are not used.</summary>
    public virtual void Wrote(string line)
    {
    }
}

/// <param name="files">Model of the package.</param>
/// <param name="partPath">Where the optimised file is written first; null = verify only.</param>
internal sealed class ModelExamination(InspectionRequest request, ModelFiles files, string? partPath) : Examination(request)
{
    public override string TookTooLong => $"Loading the model took longer than {TimeLimit.TotalSeconds:0.###} s. Deploy it with --no-verify to load it unchecked.";

    public override string NeedsMoreMemory => $"The model needs more than {MemoryBytes >> 20} MiB to load. Raise --memory, or deploy it with --no-verify to load it unchecked.";

    public override string EndedItself(string end) => $"The engine failed on this model: the worker {end} while it loaded it.";

    public override WorkerAssignment Assignment => new InspectAssignment
    {
        FolderDescriptor = 0,
        ModelPath = files.Model.Path,
        OutputDescriptor = partPath is null ? null : 1,
        BatchMax = Request.Spec.BatchMax,
        Threads = Request.Spec.Threads,
        Engine = Request.Spec.Engine,
        Signature = Request.Spec.Signature,
    };

    public override ImmutableArray<DescriptorSource> Descriptors =>
        partPath is null ? [new(Request.Folder, Write: false)] : [new(Request.Folder, Write: false), new(partPath, Write: true)];

    public override Inspection? Read(Worker worker, WorkerMessage message) => message is WorkerInspected inspected
        ? new Inspection.Accepted(
            JsonSerializer.Serialize(inspected.Interface, ModelInterfaceJson.Default.ModelInterface),
            inspected.Optimised && partPath is not null ? worker.Hello?.EngineKey : null,
            TimeSpan.FromMicroseconds(Math.Max(0, inspected.LoadMicroseconds)),
            inspected.Note)
        : null;
}

/// <summary>Imports the package's code; either lists its functions, or says how the handler's is called.</summary>
internal sealed class PythonExamination(InspectionRequest request, PythonHandler handler) : Examination(request)
{
    public override string TookTooLong => $"Loading the code took longer than {TimeLimit.TotalSeconds:0.###} s. Deploy it with --no-verify to load it unchecked.";

    public override string NeedsMoreMemory => $"The code needs more than {MemoryBytes >> 20} MiB to load. Raise --memory, or deploy it with --no-verify to load it unchecked.";

    public override string EndedItself(string end) => $"The code ended its own process: the worker {end} while it was imported.";

    public override WorkerAssignment Assignment => Request.Scans
        ? new ScanPythonAssignment { FolderDescriptor = 0, Module = handler.Module }
        : new InspectPythonAssignment { FolderDescriptor = 0, Module = handler.Module, Environment = Request.Spec.Environment, Secrets = SecretFolders.Assigned(Request.Secrets) };

    public override ImmutableArray<DescriptorSource> Descriptors => [new(Request.Folder, Write: false)];

    public override Inspection? Read(Worker worker, WorkerMessage message)
    {
        if (Request.Scans)
            return message is PythonScanned scanned ? new Inspection.Listed(JsonSerializer.Serialize(scanned, WorkerJson.Default.PythonScanned), worker.Hello?.EngineKey ?? "", TimeSpan.Zero) : null;
        if (message is not PythonInspected inspected || inspected.Functions.IsDefault)
            return null;
        var time = TimeSpan.FromMicroseconds(Math.Max(0, inspected.LoadMicroseconds));
        if (Request.Lists)
            return new Inspection.Listed(JsonSerializer.Serialize(inspected, WorkerJson.Default.PythonInspected), worker.Hello?.EngineKey ?? "", time);
        return Find(inspected, out var reason) is { } function
            ? new Inspection.Accepted(JsonSerializer.Serialize(Interface(function), ModelInterfaceJson.Default.ModelInterface), null, time, null)
            : new Inspection.Refused(reason);
    }

    private PythonFunction? Find(PythonInspected inspected, out string reason)
    {
        const int Named = 10;
        var names = string.Join(", ", inspected.Functions.Take(Named).Select(f => f.Name)) + (inspected.Functions.Length > Named ? ", …" : "");
        reason = inspected.Functions.IsEmpty ? $"{inspected.Module} has no function to serve."
            : handler.Function is { } wanted ? $"{inspected.Module} has no function '{ShownText.Of(wanted)}' to serve; it has {names}."
            : $"{inspected.Module} has {inspected.Functions.Length} functions to serve: {names}. Name one with handler, such as '{inspected.Module}::{inspected.Functions[0].Name}'.";
        return handler.Function is { } name ? inspected.Functions.FirstOrDefault(f => f.Name == name)
            : inspected.Functions.Length == 1 ? inspected.Functions[0]
            : null;
    }

    private static ModelInterface Interface(PythonFunction function) => new()
    {
        Platform = RuntimeKind.Python.Name,
        Inputs = [],
        Outputs = [],
        Function = new FunctionInterface(function.Kind, function.Stream, function.Doc, function.Schema?.Input, function.Schema?.Output),
    };
}
