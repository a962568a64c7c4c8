using System.Collections.Immutable;
using System.Text.Json;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Packages;
using Dormouse.Drivers.Launching;
using Dormouse.Protocol.Inference;
using Dormouse.Protocol.Launching;

namespace Dormouse.Drivers.Inspecting;

/// <summary>What an inspection asks a worker, and what it makes of the answer: the part of it in which runtimes differ.</summary>
/// <param name="thing">What is loaded, for messages: "model".</param>
internal abstract class Examination(InspectionRequest request, string thing)
{
    public InspectionRequest Request => request;

    public string Thing => thing;

    public abstract bool RunsModels { get; }

    public abstract WorkerAssignment Assignment { get; }

    public abstract ImmutableArray<DescriptorSource> Descriptors { get; }

    /// <summary>What a message that ends the inspection means; null = it does not.</summary>
    public abstract Inspection? Read(Worker worker, WorkerMessage message);
}

/// <param name="files">Model of the package.</param>
/// <param name="partPath">Where the optimised file is written first; null = verify only.</param>
internal sealed class ModelExamination(InspectionRequest request, ModelFiles files, string? partPath) : Examination(request, "model")
{
    public override bool RunsModels => true;

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
internal sealed class PythonExamination(InspectionRequest request, PythonHandler handler) : Examination(request, "code")
{
    public override bool RunsModels => false;

    public override WorkerAssignment Assignment => new InspectPythonAssignment { FolderDescriptor = 0, Module = handler.Module, Environment = Request.Spec.Environment };

    public override ImmutableArray<DescriptorSource> Descriptors => [new(Request.Folder, Write: false)];

    public override Inspection? Read(Worker worker, WorkerMessage message)
    {
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
