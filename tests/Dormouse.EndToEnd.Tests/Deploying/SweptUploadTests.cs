using System.Globalization;
using System.Net.Http.Headers;
using System.Security.Cryptography;
using Dormouse.EndToEnd.Tests.Inference;
using Dormouse.EndToEnd.Tests.Running;

namespace Dormouse.EndToEnd.Tests.Deploying;

/// <summary>Uploads that nobody finished and files that nothing refers to, by their age.</summary>
public sealed class SweptUploadTests
{
    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Fact]
    public async Task What_is_older_than_the_setting_is_removed_at_the_next_start_and_nothing_else()
    {
        byte[][] contents = [.. Enumerable.Range(1, 4).Select(Content)];
        var (oldHalf, youngHalf, oldUnused, youngUnused) = (contents[0], contents[1], contents[2], contents[3]);
        await using var first = await RunningServer.StartAsync(Cancelled);
        await Digits.DeployAsync(first, "used", Cancelled);
        await SendAsync(first, oldHalf, oldHalf.Length / 2, 202);
        await SendAsync(first, youngHalf, youngHalf.Length / 2, 202);
        await SendAsync(first, oldUnused, oldUnused.Length, 201);
        await SendAsync(first, youngUnused, youngUnused.Length, 201);
        Assert.Equal(0, await first.StopAsync(Cancelled));
        Age(first.Data, oldHalf);
        Age(first.Data, oldUnused);
        Age(first.Data, await File.ReadAllBytesAsync(Checkout.DigitsModel, Cancelled));

        await using var second = await RunningServer.StartAsync(Cancelled, first.Data, new Dictionary<string, string> { ["DORMOUSE_UPLOADS__KEEP"] = "1h" });

        await Waiting.UntilAsync(() => Find(first.Data, oldHalf) is null && Find(first.Data, oldUnused) is null, "what is old is removed", Cancelled);
        Assert.Equal((404, 0), await StatusAsync(second, oldHalf));
        Assert.Equal((404, 0), await StatusAsync(second, oldUnused));
        Assert.Equal((404, youngHalf.Length / 2), await StatusAsync(second, youngHalf));
        Assert.Equal((200, youngUnused.Length), await StatusAsync(second, youngUnused));
        await InferCall.SendAsync(second, "used", [Digits.Input(3)], binary: true, Cancelled);
    }

    private static byte[] Content(int seed)
    {
        var content = new byte[10_000];
        new Random(seed).NextBytes(content);
        return content;
    }

    private static string Hash(byte[] content) => Convert.ToHexStringLower(SHA256.HashData(content));

    private static string? Find(string data, byte[] content) => Directory.EnumerateFiles(data, Hash(content), SearchOption.AllDirectories).SingleOrDefault();

    /// <summary>As if it had been sent two hours ago.</summary>
    private static void Age(string data, byte[] content)
    {
        var path = Find(data, content) ?? throw new InvalidOperationException("The file is not in the data folder.");
        File.SetLastWriteTimeUtc(path, File.GetLastWriteTimeUtc(path) - TimeSpan.FromHours(2));
    }

    private static async Task SendAsync(RunningServer server, byte[] content, int bytes, int status)
    {
        using var body = new ByteArrayContent(content, 0, bytes);
        body.Headers.ContentRange = new ContentRangeHeaderValue(0, bytes - 1, content.Length);
        using var response = await server.Http.PutAsync(new Uri($"/api/v1/blobs/{Hash(content)}", UriKind.Relative), body, Cancelled);
        Assert.True((int)response.StatusCode == status, $"{(int)response.StatusCode} {await response.Content.ReadAsStringAsync(Cancelled)}");
    }

    private static async Task<(int Status, int Offset)> StatusAsync(RunningServer server, byte[] content)
    {
        using var request = new HttpRequestMessage(HttpMethod.Head, $"/api/v1/blobs/{Hash(content)}");
        using var response = await server.Http.SendAsync(request, Cancelled);
        return ((int)response.StatusCode, int.Parse(response.Headers.GetValues("Upload-Offset").Single(), CultureInfo.InvariantCulture));
    }
}
