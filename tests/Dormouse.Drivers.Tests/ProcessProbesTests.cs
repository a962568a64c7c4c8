using Dormouse.Core.Instances;
using Dormouse.Drivers.Pool;
using Dormouse.Protocol.Launching;

namespace Dormouse.Drivers.Tests;

/// <summary>What <c>doctor</c> says of the programs.</summary>
public sealed class ProcessProbesTests
{
    [Theory]
    [InlineData("aot", "aot")]
    [InlineData("jit", "aot", "launcher")]
    [InlineData("aot", "jit", "worker")]
    [InlineData("jit", "jit", "launcher", "worker")]
    public void Programs_that_are_not_native_are_named_with_the_command_that_mends_it(string launcher, string worker, params string[] named)
    {
        var probes = ProcessProbes.From(new LauncherHello(17, "v2", []) { Build = launcher }, worker, python: null, new Isolation(null));

        var programs = probes.Where(p => p.Name is "launcher" or "worker").ToArray();
        Assert.Equal(2, programs.Length);
        Assert.Equal(named, programs.Where(p => !p.Works).Select(p => p.Name));
        Assert.All(programs.Where(p => !p.Works), p => Assert.Contains("'sudo apt-get install clang zlib1g-dev', then 'touch build.sh'", p.Detail, StringComparison.Ordinal));
        Assert.All(programs.Where(p => p.Works), p => Assert.StartsWith("native", p.Detail, StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("v1", true, "cgroup v1")]
    [InlineData("v2", true, "cgroup v2")]
    [InlineData("none", false, "rlimits")]
    public void What_bounds_instances_is_named(string cgroups, bool works, string level)
    {
        var probes = ProcessProbes.From(new LauncherHello(17, cgroups, []), workerBuild: null, python: null, new Isolation(null));

        Assert.Equal(new ProbeResult("cgroups", works, level), probes.Single(p => p.Name == "cgroups"));
    }
}
