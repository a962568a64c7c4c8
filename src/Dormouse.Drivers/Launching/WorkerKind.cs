using System.Collections.Immutable;
using Dormouse.Protocol.Launching;

namespace Dormouse.Drivers.Launching;

/// <summary>What generic workers are started as: every worker of a kind can become an instance of every revision that needs this kind.</summary>
/// <param name="Name">For logs: "onnx", "python".</param>
/// <param name="Command">Program and arguments, before <c>--socket PATH</c>.</param>
/// <param name="Environment">Its whole environment.</param>
/// <param name="HasModelEngine">What it says of its engine is what optimised models must be made for.</param>
/// <param name="Folders">Absolute paths that it needs to see, beside the system's.</param>
internal sealed record WorkerKind(string Name, ImmutableArray<string> Command, ImmutableSortedDictionary<string, string> Environment, bool HasModelEngine, ImmutableArray<string> Folders)
{
    /// <summary>Started in such a sandbox; null = in none.</summary>
    public SandboxRequest? Sandbox { get; init; }

    public static WorkerKind Onnx(ProcessDriverOptions options)
    {
        var command = ProgramCommand.For(options.WorkerPath);
        return new("onnx", command, ProgramCommand.Environment(options.Environment), HasModelEngine: true, [.. command.Select(path => Path.GetDirectoryName(Path.GetFullPath(path)) ?? "/")]);
    }

    /// <summary>The same worker in a sandbox.</summary>
    public WorkerKind Sandboxed(ProcessDriverOptions options) =>
        this with { Sandbox = new SandboxRequest { ReadOnlyFolders = [.. Folders.Distinct()], ScratchBytes = options.ScratchBytes } };
}
