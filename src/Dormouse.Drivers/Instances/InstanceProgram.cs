using System.Collections.Immutable;
using System.Text.Json;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Instances;
using Dormouse.Core.Packages;
using Dormouse.Drivers.Launching;
using Dormouse.Protocol.Inference;
using Dormouse.Protocol.Launching;

namespace Dormouse.Drivers.Instances;

/// <summary>What an instance's worker is told and what it says when it serves: the part of a start in which runtimes differ.</summary>
internal abstract class InstanceProgram
{
    /// <summary>What is loaded, for messages: "model".</summary>
    public abstract string Thing { get; }

    /// <summary>Why the package can never be served; null = nothing speaks against it.</summary>
    public abstract string? Refusal { get; }

    /// <param name="optimised">Path of the optimised file, or null.</param>
    public abstract WorkerAssignment Assignment(string? optimised);

    /// <summary>Null when the message does not say that it serves.</summary>
    public abstract ProgramReady? Read(WorkerMessage message);

    public static InstanceProgram For(InstanceStart start) => start.Spec.Kind.RunsModels ? new ModelProgram(start) : new PythonProgram(start);
}

/// <param name="Interface">JSON of <see cref="ModelInterface"/>.</param>
/// <param name="UsedOptimised">False: there is an optimised file to be made.</param>
/// <param name="Ends">It has something to do before it ends.</param>
internal sealed record ProgramReady(TimeSpan Load, string Interface, bool UsedOptimised, bool Ends = false)
{
    /// <summary>The optimised file that there is must be made anew.</summary>
    public bool RefusedOptimised { get; init; }
}

internal sealed class ModelProgram(InstanceStart start) : InstanceProgram
{
    private readonly ModelFiles? _files = ModelFiles.Find(start.Package);

    public override string Thing => "model";

    public override string? Refusal => _files is null ? ModelFiles.MissingReason : null;

    public override WorkerAssignment Assignment(string? optimised)
    {
        var files = _files ?? throw new InvalidOperationException(ModelFiles.MissingReason);
        var spec = start.Spec;
        return new ServeAssignment
        {
            FolderDescriptor = 0,
            OptimisedDescriptor = optimised is null ? null : 1,
            ModelPath = files.Model.Path,
            LabelsPath = files.Labels,
            // Without a limit the instance takes what comes and runs as many as it has cores: more threads than these make no run faster.
            Concurrency = spec.IsConcurrencyUnlimited ? (int)Math.Max(1, Math.Ceiling(spec.Cpu)) : spec.Concurrency,
            InsideMax = spec.IsConcurrencyUnlimited ? 2 * spec.Slots : 0,
            BatchMax = spec.BatchMax,
            BatchDelayMicroseconds = (long)spec.BatchDelay.TotalMicroseconds,
            MemoryMib = spec.MemoryMib,
            Threads = spec.Threads,
            Engine = spec.Engine,
            Environment = spec.Environment,
            Signature = spec.Signature,
        };
    }

    public override ProgramReady? Read(WorkerMessage message) => message is WorkerReady ready
        ? new(
            TimeSpan.FromMicroseconds(Math.Max(0, ready.LoadMicroseconds)),
            JsonSerializer.Serialize(ready.Interface, ModelInterfaceJson.Default.ModelInterface),
            ready.UsedOptimised)
        {
            RefusedOptimised = ready.RefusedOptimised,
        }
        : null;
}

internal sealed class PythonProgram(InstanceStart start) : InstanceProgram
{
    public override string Thing => "code";

    public override string? Refusal => PythonFiles.Refusal(start.Package, start.Spec.Handler);

    public override WorkerAssignment Assignment(string? optimised)
    {
        var spec = start.Spec;
        var handler = PythonHandler.TryParse(spec.Handler, out var parsed) ? parsed : PythonHandler.Any;
        return new ServePythonAssignment
        {
            FolderDescriptor = 0,
            Module = handler.Module,
            Function = handler.Function,
            Concurrency = spec.Concurrency,
            MemoryMib = spec.MemoryMib,
            Environment = spec.Environment,
            Secrets = SecretFolders.Assigned(start.Secrets),
        };
    }

    public override ProgramReady? Read(WorkerMessage message) => message is PythonReady ready
        ? new(TimeSpan.FromMicroseconds(Math.Max(0, ready.LoadMicroseconds)), JsonSerializer.Serialize(Interface(ready), ModelInterfaceJson.Default.ModelInterface), UsedOptimised: true, ready.Ends)
        : null;

    private static ModelInterface Interface(PythonReady ready) => new()
    {
        Platform = RuntimeKind.Python.Name,
        Inputs = ImmutableArray<TensorInfo>.Empty,
        Outputs = ImmutableArray<TensorInfo>.Empty,
        Function = new FunctionInterface(Input: ready.Schema?.Input, Output: ready.Schema?.Output),
    };
}
