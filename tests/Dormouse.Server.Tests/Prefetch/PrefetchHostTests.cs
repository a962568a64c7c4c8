using Dormouse.Core.Endpoints;
using Dormouse.Core.Instances;
using Dormouse.Core.Scaling;
using Dormouse.Server.Prefetch;
using Dormouse.Server.Tests.Gateway;
using Microsoft.Extensions.DependencyInjection;

namespace Dormouse.Server.Tests.Prefetch;

/// <summary>The whole way in one server: a start is recorded, calls teach, and before the next one files are in memory.</summary>
public sealed class PrefetchHostTests
{
    private const int Mib = PrefetchParts.Mib;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task An_endpoint_that_is_called_every_ten_minutes_finds_its_files_in_memory_though_no_instance_was_kept()
    {
        using var files = new ColdFiles();
        var model = files.Write("model.onnx", 2 * Mib);
        await using var host = await GatewayHost.StartAsync(services: s => s.AddSingleton<Func<MachineMemory>>(() => new MachineMemory(8L << 30, 10L << 30)));
        host.Blobs.Folder = files.Package;
        host.Driver.IsReadyAtOnce = false;
        var route = host.Add("digits", GatewayHost.Spec() with { KeepAlive = KeepAliveMode.Fixed, IdleTimeout = TimeSpan.FromSeconds(60) });

        for (var call = 0; call <= KeepAliveRule.SamplesMin; call++)
        {
            var calling = host.InferAsync("digits");
            var start = await host.Driver.NextStartAsync(Cancellation);
            await File.ReadAllBytesAsync(model, Cancellation);
            await host.Driver.MakeReadyAsync(start.Instance);
            (await calling).Dispose();
            await host.Journal.NextReceiptAsync(Cancellation);
            host.Time.Advance(TimeSpan.FromSeconds(61));
            Assert.Equal(StopReason.Idle, (await host.Driver.NextStopAsync(Cancellation)).Reason);
            await Conditions.UntilAsync(() => host.Dispatch.Samples(route.Endpoint.Id).All(s => s.Sample.Instances.IsEmpty), "its instance is gone");
            await host.Service<StartRecorder>().WhenAllAsync();
            if (call < KeepAliveRule.SamplesMin)
            {
                host.Time.Advance(TimeSpan.FromMinutes(9));
            }
        }

        await ColdFiles.DropAsync(model);
        host.Time.Advance(TimeSpan.FromMinutes(7.8));

        await Conditions.UntilAsync(() => ColdFiles.Present(model) is [0, 1], "the model is read");
        await Conditions.UntilAsync(() => host.Dispatch.Changes(route.Endpoint.Id)[0].Change.Reason.StartsWith("read 2 MiB of 1 files ahead: a call that has not come after", StringComparison.Ordinal), "it is said");
        Assert.Equal((0, 0), (host.Dispatch.Changes(route.Endpoint.Id)[0].Change.From, host.Dispatch.Changes(route.Endpoint.Id)[0].Change.To));
        Assert.Equal(KeepAliveRule.SamplesMin + 1, host.Driver.Started);
    }
}
