using Dormouse.Launcher.Workers;

namespace Dormouse.Drivers.Tests.Launcher;

public sealed class UnreachedCountTests
{
    [Theory]
    [InlineData("Ip: Forwarding OutNoRoutes FragOKs\nIp: 2 7 0\nIcmp: InMsgs\nIcmp: 3\n", 7)]
    [InlineData("Ip: Forwarding FragOKs\nIp: 2 0\n", 0)]
    [InlineData("Ip: Forwarding OutNoRoutes\nIp: 2\n", 0)]
    [InlineData("", 0)]
    public void It_is_found_by_its_name(string table, long count) => Assert.Equal(count, WorkerTable.Unreached(table));
}
