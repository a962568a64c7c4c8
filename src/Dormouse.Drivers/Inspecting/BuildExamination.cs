using System.Collections.Immutable;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Environments;
using Dormouse.Core.Packages;
using Dormouse.Drivers.Launching;
using Dormouse.Protocol.Launching;

namespace Dormouse.Drivers.Inspecting;

/// <summary>Builds an environment in a throw-away worker; what pip or uv print is handed on line by line.</summary>
internal sealed class BuildExamination(EnvironmentBuild build, EnvironmentBuildOptions options, Action<string> line) : Examination(new InspectionRequest
{
    Spec = new RevisionSpec { Runtime = RuntimeKind.Python.Name, Cpu = 0 },
    Package = new Package([]),
    Folder = build.PackageFolder,
    MemoryBytes = options.MemoryBytes,
    TimeLimit = options.TimeLimit,
})
{
    public override string TookTooLong => $"The build took longer than {TimeLimit.TotalSeconds:0.###} s; whoever runs the server may raise environments.time_limit.";

    public override string NeedsMoreMemory => $"The build needs more than {MemoryBytes >> 20} MiB; whoever runs the server may raise environments.memory.";

    public override WorkerAssignment Assignment => new BuildEnvironmentAssignment
    {
        FolderDescriptor = 0,
        Target = build.Folder,
        SystemPackages = build.SystemPackages,
        Builder = options.Builder,
        Uv = options.Uv,
        Arguments = options.Arguments,
    };

    public override ImmutableArray<DescriptorSource> Descriptors => [new(Request.Folder, Write: false)];

    /// <summary>Null until it was built.</summary>
    public EnvironmentBuilt? Built { get; private set; }

    public override string EndedItself(string end) => $"The build's worker {end}.";

    public override Inspection? Read(Worker worker, WorkerMessage message)
    {
        if (message is not EnvironmentBuilt built)
            return null;
        Built = built;
        return new Inspection.Accepted("", null, TimeSpan.FromMicroseconds(Math.Max(0, built.LoadMicroseconds)), null);
    }

    public override void Wrote(string text) => line(text);
}
