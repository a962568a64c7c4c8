using Dormouse.Protocol.Inference;

namespace Dormouse.Worker.Engine;

/// <summary>How one output of the engine becomes outputs of the protocol.</summary>
internal abstract record OutputPlan
{
    private OutputPlan(string name) => Name = name;

    /// <summary>The engine's own name of the output.</summary>
    internal string Name { get; }

    internal sealed record Tensor(string EngineName, Datatype Datatype) : OutputPlan(EngineName);

    /// <summary>
    /// A sequence of maps (ZipMap): row i of the tensor under the output's own name holds the values of map i, one column for each key;
    /// the columns' keys are the tensor <paramref name="KeysName"/>, ascending. A key that a map lacks reads 0.
    /// </summary>
    internal sealed record Maps(string EngineName, string KeysName, Datatype Keys, Datatype Values) : OutputPlan(EngineName);
}
