using System.Net.Http.Headers;
using System.Text.Json.Nodes;
using Dormouse.EndToEnd.Tests.Running;

namespace Dormouse.EndToEnd.Tests.Hostile;

/// <summary>Large bodies that wait on a disk of 16 MB.</summary>
public sealed class FullSpoolTests
{
    private const int DiskMib = 16;

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_body_that_does_not_fit_is_refused_gives_up_its_place_and_its_space_and_harms_nobody()
    {
        await using var disk = await SmallDisk.MountAsync(DiskMib);
        await using var server = await RunningServer.StartAsync(Cancelled, environment: new Dictionary<string, string> { ["TMPDIR"] = disk.Folder });
        var right = await HostileServer.DeployNeighbourAsync(server, Cancelled);
        await server.DeployAsync(
            "busy", [("model.onnx", SmallModels.Counter())], Cancelled, new JsonObject { ["concurrency"] = 1, ["max_instances"] = 1, ["timeout"] = "10m", ["queue_timeout"] = "10m" });
        using var ending = CancellationTokenSource.CreateLinkedTokenSource(Cancelled);
        var running = CounterCall.SendAsync(server, "busy", CounterCall.Endless, ending.Token);
        await CounterCall.UntilRunningAsync(server, "busy", 1, Cancelled);

        await Refusal.AssertAsync(await SendAsync(server, 2 * DiskMib), 507, "storage_full", "kept while it waited");

        await CounterCall.UntilQueuedAsync(server, "busy", 0, Cancelled);
        await HostileServer.AssertUnharmedAsync(server, right, Cancelled);
        // Its file is gone: another body fits.
        await Waiting.UntilAsync(() => disk.FreeBytes > (DiskMib - 2L) << 20, "the space is free again", Cancelled);
        using var leaving = CancellationTokenSource.CreateLinkedTokenSource(Cancelled);
        var waiting = SendAsync(server, DiskMib / 2, leaving.Token);
        await Waiting.UntilAsync(() => disk.FreeBytes < (DiskMib - 4L) << 20, "the next body is kept", Cancelled);
        await CounterCall.UntilQueuedAsync(server, "busy", 1, Cancelled);
        await leaving.CancelAsync();
        await ending.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => Task.WhenAll(running, waiting));
        await HostileServer.AssertUnharmedAsync(server, right, Cancelled);
        // The run has no end: the server would wait for it.
        await server.KillAsync(Cancelled);
    }

    private static Task<HttpResponseMessage> SendAsync(RunningServer server, int mib, CancellationToken? leaving = null)
    {
        var content = new ByteArrayContent(new byte[mib << 20]);
        content.Headers.ContentType = new MediaTypeHeaderValue("application/octet-stream");
        return server.Http.PostAsync(new Uri("/v2/models/busy/infer", UriKind.Relative), content, leaving ?? Cancelled);
    }
}
