using System.Globalization;
using System.Net.Http.Headers;
using System.Security.Cryptography;
using System.Text.Json.Nodes;
using Dormouse.EndToEnd.Tests.Running;

namespace Dormouse.EndToEnd.Tests.Hostile;

/// <summary>A data folder on a disk of 48 MB that fills up.</summary>
public sealed class FullDiskTests
{
    private const int DiskMib = 48;

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Fact]
    public async Task An_upload_on_a_full_disk_is_refused_goes_on_when_there_is_room_and_harms_nobody()
    {
        await using var disk = await SmallDisk.MountAsync(DiskMib);
        await using var server = await RunningServer.StartAsync(Cancelled, disk.Folder);
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

        await disk.GrowAsync(4 * DiskMib);
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
}
