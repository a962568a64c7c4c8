using Dormouse.Core.Endpoints;
using Dormouse.Core.Instances;
using Dormouse.Core.Packages;
using Dormouse.Drivers;
using Microsoft.Extensions.Logging.Abstractions;

namespace Dormouse.FakeWorker;

/// <summary>A process that owns a driver with one instance and then waits to be killed. It prints the instance's socket when it serves.</summary>
internal sealed class DriverHost : IInstanceObserver
{
    /// <param name="arguments">Launcher, worker, run folder, cgroup name, package folder, behaviour.</param>
    public static async Task<int> RunAsync(string[] arguments)
    {
        var driver = new ProcessDriver(
            new() { LauncherPath = arguments[0], WorkerPath = arguments[1], RunFolder = arguments[2], CgroupName = arguments[3], PoolSize = 1 },
            TimeProvider.System,
            NullLogger<ProcessDriver>.Instance);
        await driver.OpenAsync(new DriverHost(), CancellationToken.None);
        driver.Start(new()
        {
            Instance = new(new(new(Guid.Empty), 1), 1),
            Tenant = TenantId.Default,
            Spec = new() { Runtime = "onnx", Environment = RevisionSpecEnvironment(arguments[5]) },
            Package = new([new PackageFile("model.onnx", new(new string('0', 64)), 1)]),
            Folder = arguments[4],
            OptimisedPath = _ => null,
        });
        await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System);
        return 0;
    }

    public void Ready(InstanceId instance, InstanceReady ready) => Console.WriteLine(ready.Address);

    public void Failed(InstanceId instance, StartFailure failure) => Console.WriteLine("failed " + failure.Reason);

    public void Lost(InstanceId instance, InstanceLoss loss) => Console.WriteLine("lost " + loss.Detail);

    public void FreezeRefused(InstanceId instance, string reason) => Console.WriteLine($"freeze refused: {reason}");

    public void Gone(InstanceId instance) => Console.WriteLine("gone");

    public void Wrote(InstanceId instance, string line)
    {
        // What the fake program writes is of no interest here.
    }

    private static System.Collections.Immutable.ImmutableSortedDictionary<string, string> RevisionSpecEnvironment(string behaviour) =>
        System.Collections.Immutable.ImmutableSortedDictionary<string, string>.Empty.Add("FAKE", behaviour);
}
