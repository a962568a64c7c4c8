using System.Collections.Immutable;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Instances;
using Dormouse.Drivers.Pool;
using Dormouse.Drivers.Python;
using Dormouse.Protocol.Launching;

namespace Dormouse.Drivers;

/// <summary>What the process driver found on this machine, for <c>doctor</c>.</summary>
internal static class ProcessProbes
{
    private const string Native = "aot";
    private const string Mend = "it runs on the .NET runtime and starts more slowly; 'sudo apt-get install clang zlib1g-dev', then 'touch build.sh' beside ./dormouse, and the next ./dormouse builds it natively";

    /// <param name="hello">Null: there is no launcher now.</param>
    /// <param name="workerBuild">Null: no worker has said hello yet.</param>
    /// <param name="python">Null: it is being asked.</param>
    public static ImmutableArray<ProbeResult> From(LauncherHello? hello, string? workerBuild, PythonInterpreter? python, Isolation isolation)
    {
        var probes = ImmutableArray.CreateBuilder<ProbeResult>();
        probes.Add(hello is null
            ? new("launcher", Works: false, "it has ended and is being replaced")
            : Program("launcher", hello.Build, $"process {hello.ProcessId}"));
        probes.Add(workerBuild is null
            ? new("worker", Works: false, "none has become ready yet; see the server's log")
            : Program("worker", workerBuild, "ready"));
        probes.Add(python switch
        {
            PythonInterpreter.Found found => new("python", Works: true, $"Python {found.Version} at {found.Path} runs Python endpoints"),
            PythonInterpreter.Missing missing => new("python", Works: false, missing.Reason),
            _ => new("python", Works: false, "it is being looked for; ask again"),
        });
        if (hello is not null)
        {
            probes.Add(new("cgroups", hello.Cgroups != "none", Limits(hello)));
            foreach (var note in hello.Notes)
                probes.Add(new("limits", Works: false, note));
            probes.Add(Sandbox(hello.Sandbox, isolation.Default));
            foreach (var missing in hello.Sandbox.Missing)
                probes.Add(new("sandbox", Works: false, missing));
            probes.Add(Freezer(hello.Freezer));
        }

        return probes.ToImmutable();
    }

    /// <summary>One of <see cref="LimitsLevels"/>.</summary>
    public static string Limits(LauncherHello hello) => hello.Cgroups switch
    {
        "v1" => LimitsLevels.CgroupV1,
        "v2" => LimitsLevels.CgroupV2,
        _ => LimitsLevels.ResourceLimits,
    };

    private static ProbeResult Sandbox(SandboxReport report, IsolationLevel level) => report switch
    {
        { Works: false } => new("sandbox", Works: false, $"instances run as plain processes of this user: {report.Reason}"),
        _ when level == IsolationLevel.Process => new("sandbox", Works: true, "works, and workers.isolation says that instances run as plain processes"),
        _ => new("sandbox", Works: true, "instances have users, mounts, processes and a network of their own, and a filter of system calls"),
    };

    private static ProbeResult Freezer(FreezerReport report) => report switch
    {
        { Works: false } => new("freezer", Works: false, $"frozen_for has no effect, idle instances are stopped at once: {report.Reason}"),
        { HasSwap: true } => new("freezer", Works: true, "idle instances can be frozen (frozen_for), and their memory is pushed out to the swap of this machine: they come back as slowly as it is"),
        _ => new("freezer", Works: true, "idle instances can be frozen (frozen_for); this machine has no swap, so they keep their memory"),
    };

    private static ProbeResult Program(string name, string build, string detail) =>
        new(name, build == Native, build == Native ? $"native, {detail}" : $"{detail}: {Mend}");
}
