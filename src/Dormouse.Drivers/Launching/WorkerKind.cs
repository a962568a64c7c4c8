using System.Collections.Immutable;
using Dormouse.Core.Endpoints;
using Dormouse.Drivers.Pool;
using Dormouse.Protocol.Launching;

namespace Dormouse.Drivers.Launching;

/// <summary>What generic workers are started as: every worker of a kind can become an instance of every revision that needs this kind.</summary>
/// <param name="Name">For logs: "onnx", "python".</param>
/// <param name="Command">Program and arguments, before <c>--socket PATH</c>.</param>
/// <param name="Environment">Its whole environment.</param>
/// <param name="HasModelEngine">What it says of its engine is what optimised models must be made for.</param>
internal sealed record WorkerKind(string Name, ImmutableArray<string> Command, ImmutableSortedDictionary<string, string> Environment, bool HasModelEngine)
{
    /// <summary>What it reaches of the machine besides the system's own folders, for whoever shuts it in.</summary>
    public WorkerReach Reach { get; init; } = WorkerReach.Nothing;

    /// <summary>Started in such a sandbox; null = in none.</summary>
    public SandboxRequest? Sandbox { get; init; }

    /// <summary>What is started in a sandbox in its stead; empty = <see cref="Command"/>.</summary>
    public ImmutableArray<string> SandboxedCommand { get; init; } = [];

    /// <summary>Its workers can be templates.</summary>
    public bool Forks { get; init; }

    public static WorkerKind Onnx(ProcessDriverOptions options)
    {
        var command = ProgramCommand.For(options.WorkerPath);
        return new("onnx", command, ProgramCommand.Environment(options.Environment), HasModelEngine: true)
        {
            Reach = new([.. command.Select(path => Path.GetDirectoryName(Path.GetFullPath(path)) ?? "/")], [], Network: false),
        };
    }

    /// <summary>The same worker in a sandbox or container.</summary>
    public WorkerKind Sandboxed(ProcessDriverOptions options, Placement placement) => this with
    {
        Command = SandboxedCommand.IsEmpty ? Command : SandboxedCommand,
        Sandbox = new SandboxRequest
        {
            Forks = Forks,
            Container = placement.Level == IsolationLevel.Container,
            ReadOnlyFolders = [.. Reach.Reads.Distinct()],
            ScratchBytes = options.ScratchBytes,
            Network = placement.HasNetwork ? new([.. options.AllowNetworks.Select(allowed => allowed.ToString())]) : null,
        },
    };
}

/// <summary>What a kind of worker needs of the machine besides the system's own folders (<c>/usr</c> and what links into it), its socket and its descriptors.</summary>
/// <param name="Reads">Absolute paths of folders that it reads, each at its own path.</param>
/// <param name="Writes">Absolute paths of folders that it writes, each at its own path.</param>
/// <param name="Network">It connects to other machines whatever the revision says.</param>
internal sealed record WorkerReach(ImmutableArray<string> Reads, ImmutableArray<string> Writes, bool Network)
{
    public static readonly WorkerReach Nothing = new([], [], Network: false);
}
