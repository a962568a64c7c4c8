using System.Collections.Immutable;

namespace Dormouse.Core.Endpoints;

/// <summary>The kinds of programs that open packages, and in what they differ for the rest of the product: whoever must know asks here.</summary>
public sealed record RuntimeKind
{
    /// <summary>Our own worker for ONNX models: tensors in, tensors out.</summary>
    public static readonly RuntimeKind Onnx = new() { Name = "onnx", RunsModels = true };

    /// <summary>The runner of Python functions.</summary>
    public static readonly RuntimeKind Python = new() { Name = "python", TakesTensors = false, EndsWithCaller = true };

    /// <summary>A graph of other endpoints, whose package is its definition: it has no instances.</summary>
    public static readonly RuntimeKind Pipeline = new() { Name = "pipeline", TakesTensors = false, HasInstances = false };

    public static readonly ImmutableArray<RuntimeKind> All = [Onnx, Python, Pipeline];

    private RuntimeKind()
    {
    }

    /// <summary>As it is written in settings.</summary>
    public required string Name { get; init; }

    /// <summary>
    /// It opens a model file, of which there may be an optimised form; its instances take tensors at one address, and a picture at another when the model has a signature. Otherwise it runs a
    /// function of the package, and its instances have the addresses that they want.
    /// </summary>
    public bool RunsModels { get; private init; }

    /// <summary>Requests of the inference protocol may be sent to its instances.</summary>
    public bool TakesTensors { get; private init; } = true;

    /// <summary>Its invocations run on instances of its own, which a package makes; otherwise the server runs them, by calling other endpoints.</summary>
    public bool HasInstances { get; private init; } = true;

    /// <summary>A run whose caller hangs up is asked to end; otherwise it is finished.</summary>
    public bool EndsWithCaller { get; private init; }

    /// <summary>Null when there is none of this name.</summary>
    public static RuntimeKind? Find(string name) => All.FirstOrDefault(k => k.Name == name);

    /// <summary>The name that a user means who names a runtime, or none: then a handler says that it is Python.</summary>
    public static string NameFor(string? runtime, string? handler) => runtime ?? (handler is null ? Onnx : Python).Name;

    /// <summary>The one of this name; one that this version does not know is a program of which nothing special is known.</summary>
    public static RuntimeKind Of(string name) => Find(name) ?? new RuntimeKind { Name = name };
}
