using System.Collections.Immutable;
using Dormouse.Core.Endpoints;
using Dormouse.Drivers.Pool;

namespace Dormouse.Drivers.Tests.Pool;

public sealed class PlacementTests
{
    [Theory]
    [InlineData(IsolationLevel.Sandbox, NetworkAccess.Outbound, IsolationLevel.Sandbox, true)]
    [InlineData(null, NetworkAccess.Outbound, IsolationLevel.Sandbox, true)]
    [InlineData(IsolationLevel.Sandbox, NetworkAccess.None, IsolationLevel.Sandbox, false)]
    [InlineData(null, null, IsolationLevel.Sandbox, false)]
    [InlineData(IsolationLevel.Container, NetworkAccess.Outbound, IsolationLevel.Container, true)]
    [InlineData(IsolationLevel.Container, null, IsolationLevel.Container, false)]
    [InlineData(IsolationLevel.Process, NetworkAccess.Outbound, IsolationLevel.Process, false)]
    public void Only_who_asks_for_it_in_a_sandbox_gets_a_way_to_the_network(IsolationLevel? wanted, NetworkAccess? network, IsolationLevel level, bool hasNetwork)
    {
        var isolation = new Isolation(null) { Report = new(Works: true, null, []) };

        Assert.Equal(new Placement(level, hasNetwork), isolation.PlacementOf(Spec(wanted, network)));
    }

    [Fact]
    public void Where_there_is_none_it_is_refused_with_the_reason_and_nothing_else_is()
    {
        var isolation = new Isolation(null) { Report = new(Works: true, null, []) { NoNetwork = "the program slirp4netns is missing" } };

        Assert.Contains("the program slirp4netns is missing", isolation.Refusal(new(IsolationLevel.Sandbox, HasNetwork: true)), StringComparison.Ordinal);
        Assert.Null(isolation.Refusal(new(IsolationLevel.Sandbox, HasNetwork: false)));
        Assert.Null(isolation.Refusal(new(IsolationLevel.Process, HasNetwork: false)));
    }

    [Fact]
    public void Without_a_container_runtime_a_container_is_refused_with_what_to_install_and_a_sandbox_is_not()
    {
        var isolation = new Isolation(null) { Report = new(Works: true, null, []) { NoContainer = "neither crun nor runc is installed; 'apt-get install crun' installs one" } };

        Assert.Equal(
            "A container cannot be made on this machine: neither crun nor runc is installed; 'apt-get install crun' installs one. Deploy with --isolation sandbox to run it in a sandbox.",
            isolation.Refusal(new(IsolationLevel.Container, HasNetwork: false)));
        Assert.Null(isolation.Refusal(new(IsolationLevel.Sandbox, HasNetwork: false)));
    }

    private static RevisionSpec Spec(IsolationLevel? isolation, NetworkAccess? network) =>
        new() { Runtime = RuntimeKind.Python.Name, MemoryMib = 256, Isolation = isolation, Network = network, Environment = ImmutableSortedDictionary<string, string>.Empty };
}
