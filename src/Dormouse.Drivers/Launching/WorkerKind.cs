using System.Collections.Immutable;

namespace Dormouse.Drivers.Launching;

/// <summary>What generic workers are started as: every worker of a kind can become an instance of every revision that needs this kind.</summary>
/// <param name="Name">For logs: "onnx", "python".</param>
/// <param name="Command">Program and arguments, before <c>--socket PATH</c>.</param>
/// <param name="Environment">Its whole environment.</param>
/// <param name="HasModelEngine">What it says of its engine is what optimised models must be made for.</param>
internal sealed record WorkerKind(string Name, ImmutableArray<string> Command, ImmutableSortedDictionary<string, string> Environment, bool HasModelEngine)
{
    public static WorkerKind Onnx(ProcessDriverOptions options) =>
        new("onnx", ProgramCommand.For(options.WorkerPath), ProgramCommand.Environment(options.Environment), HasModelEngine: true);
}
