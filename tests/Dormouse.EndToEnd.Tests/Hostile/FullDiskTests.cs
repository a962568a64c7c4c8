using System.Diagnostics;
using System.Globalization;
using System.Net.Http.Headers;
using System.Security.Cryptography;
using System.Text.Json.Nodes;
using Dormouse.EndToEnd.Tests.Running;

namespace Dormouse.EndToEnd.Tests.Hostile;

/// <summary>A data folder on a disk of 48 MB that fills up: a file system in memory, so this needs the right to mount.</summary>
public sealed class FullDiskTests : IAsyncLifetime
{
    private const int DiskMib = 48;

    private readonly string _folder = Directory.CreateTempSubdirectory("dormouse-test-").FullName;
    private bool _isMounted;

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        _isMounted = await RunAsync("mount", "-t", "tmpfs", "-o", $"size={DiskMib}m", "dormouse-test", _folder);
        Assert.SkipUnless(_isMounted, "A small file system could not be mounted (this needs root): the full-disk tests were not run.");
    }

    public async ValueTask DisposeAsync()
    {
        if (_isMounted)
        {
            Assert.True(await RunAsync("umount", _folder), "The small file system could not be unmounted.");
        }

        Directory.Delete(_folder, recursive: true);
    }

    [Fact]
    public async Task An_upload_on_a_full_disk_is_refused_goes_on_when_there_is_room_and_harms_nobody()
    {
        await using var server = await RunningServer.StartAsync(Cancelled, _folder);
        var right = await HostileServer.DeployNeighbourAsync(server, Cancelled);
        var content = new byte[DiskMib << 20];
        new Random(20260107).NextBytes(content);
        var hash = Convert.ToHexStringLower(SHA256.HashData(content));
        var address = new Uri($"/api/v1/blobs/{hash}", UriKind.Relative);

        var refused = await server.Http.PutAsync(address, new ByteArrayContent(content), Cancelled);
        var offset = int.Parse(refused.Headers.GetValues("Upload-Offset").Single(), CultureInfo.InvariantCulture);
        await Refusal.AssertAsync(refused, 507, "storage_full", "full", offset.ToString(CultureInfo.InvariantCulture));
        Assert.InRange(offset, 1, content.Length - 1);
        await HostileServer.AssertUnharmedAsync(server, right, Cancelled);

        await AssertRefusedOnFullDiskAsync(server);
        using (var stopped = await server.PostAsync("/api/v1/endpoints/neighbour/stop", null, Cancelled))
        {
            Assert.True(stopped.IsSuccessStatusCode, await stopped.Content.ReadAsStringAsync(Cancelled));
        }

        // From zero, with receipts to be stored, on the full disk.
        for (var i = 0; i < 100; i++)
        {
            await HostileServer.AssertUnharmedAsync(server, right, Cancelled);
        }

        Assert.True(await RunAsync("mount", "-o", $"remount,size={4 * DiskMib}m", _folder));
        var rest = new ByteArrayContent(content, offset, content.Length - offset);
        rest.Headers.ContentRange = new ContentRangeHeaderValue(offset, content.Length - 1, content.Length);
        using var complete = await server.Http.PutAsync(address, rest, Cancelled);
        Assert.Equal(201, (int)complete.StatusCode);
        await Digits.DeployAsync(server, "later", Cancelled);
        await HostileServer.AssertUnharmedAsync(server, right, Cancelled);
    }

    /// <summary>Everything that has to write says so; nothing is half done.</summary>
    private static async Task AssertRefusedOnFullDiskAsync(RunningServer server)
    {
        var refusals = 0;
        for (var i = 0; i < 400 && refusals == 0; i++)
        {
            var made = await server.PostAsync("/api/v1/keys", new JsonObject { ["name"] = $"key {i} " + new string('x', 50), ["scopes"] = new JsonArray("invoke") }, Cancelled);
            if (!made.IsSuccessStatusCode)
            {
                await Refusal.AssertAsync(made, 507, "storage_full", "disk");
                refusals++;
            }
        }

        Assert.Equal(1, refusals);
        await Refusal.AssertAsync(await server.PostAsync("/api/v1/endpoints/full/revisions", Deploy(), Cancelled), 507, "storage_full", "disk");
        await Refusal.AssertAsync(await server.Http.GetAsync(new Uri("/api/v1/endpoints/full", UriKind.Relative), Cancelled), 404, "endpoint_not_found");
    }

    /// <summary>The neighbour's own file under another name: it is there already.</summary>
    private static JsonObject Deploy()
    {
        var model = File.ReadAllBytes(Checkout.DigitsModel);
        var file = new JsonObject { ["path"] = "other.onnx", ["sha256"] = Convert.ToHexStringLower(SHA256.HashData(model)), ["size_bytes"] = model.Length };
        return new JsonObject { ["files"] = new JsonArray(file), ["settings"] = new JsonObject(), ["verify"] = true };
    }

    private static async Task<bool> RunAsync(string program, params string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardError = true })!;
        await process.StandardError.ReadToEndAsync(Cancelled);
        await process.WaitForExitAsync(Cancelled);
        return process.ExitCode == 0;
    }
}
