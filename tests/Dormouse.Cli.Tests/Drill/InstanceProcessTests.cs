using System.Diagnostics;
using Dormouse.Cli.Drill;

namespace Dormouse.Cli.Tests.Drill;

public sealed class InstanceProcessTests
{
    [Fact]
    public void Only_a_worker_is_killed()
    {
        using var other = Process.Start("sleep", ["60"]);
        try
        {
            Assert.False(InstanceProcess.Kill(other.Id));
            Assert.False(InstanceProcess.Kill(int.MaxValue));
            Assert.False(other.HasExited);
        }
        finally
        {
            other.Kill();
        }
    }

    [Fact]
    public async Task A_worker_is_killed()
    {
        using var worker = new Process { StartInfo = new ProcessStartInfo("sh", ["-c", "read line", "dormouse-worker"]) { RedirectStandardInput = true } };
        worker.Start();
        try
        {
            Assert.True(InstanceProcess.Kill(worker.Id));
            await worker.WaitForExitAsync(TestContext.Current.CancellationToken);
        }
        finally
        {
            worker.Kill();
        }
    }
}
