using System.IO.Compression;
using System.Net.Http.Headers;
using Dormouse.EndToEnd.Tests.Inference;

namespace Dormouse.EndToEnd.Tests.Hostile;

/// <summary>Bodies over the limits of 100 MiB (an invocation), 16 MiB (a control document) and a quarter of an instance's memory (unpacked).</summary>
public sealed class BodyTests(HostileServer hostile) : HostileTests(hostile)
{
    private const int Sent = 200 << 20;

    [Theory]
    [InlineData("/v2/models/neighbour/infer")]
    [InlineData("/invoke/pictures")]
    public async Task A_declared_body_of_200_MB_is_refused_before_it_is_sent(string path)
    {
        await DeployPicturesAsync();
        using var connection = await RawConnection.OpenAsync(Server, Cancelled);
        await connection.SendAsync(RawConnection.Head(Server, "POST", path, $"Content-Length: {Sent}"), Cancelled);

        Refusal.Check(await connection.AnswerAsync(Cancelled), path, 413, "body_too_large", "104857600 bytes", "server.body_limit");
    }

    [Theory]
    [InlineData("/v2/models/neighbour/infer")]
    [InlineData("/invoke/pictures")]
    public async Task A_chunked_body_of_200_MB_is_refused_at_the_limit(string path)
    {
        await DeployPicturesAsync();
        using var connection = await RawConnection.OpenAsync(Server, Cancelled);
        await connection.SendAsync(RawConnection.Head(Server, "POST", path, "Transfer-Encoding: chunked"), Cancelled);
        var answer = connection.AnswerAsync(Cancelled);
        await SendChunksAsync(connection, answer);

        Refusal.Check(await answer, path, 413, "body_too_large", "server.body_limit");
    }

    [Theory]
    [InlineData((1 << 20) + 4)]
    [InlineData(8 << 20)]
    public async Task A_body_of_megabytes_reaches_a_warm_instance_whole(int bytes)
    {
        await DeployAsync("line", HostileModels.Line());
        var sent = new byte[bytes];
        for (var i = 0; i < bytes / sizeof(float); i++)
        {
            BitConverter.TryWriteBytes(sent.AsSpan(i * sizeof(float)), (float)i);
        }

        // The first call of the endpoint waits for its start, the second finds it warm: their bodies take different ways.
        for (var call = 0; call < 2; call++)
        {
            var answer = await InferCall.SendAsync(Server, "line", [new Tensor("x", "FP32", [bytes / sizeof(float)], sent)], binary: true, Cancelled);
            Assert.Equal(sent, answer["y"].Raw);
        }
    }

    [Fact]
    public async Task A_control_document_over_its_limit_is_refused()
    {
        const string Path = "/api/v1/endpoints/large/revisions";
        using var connection = await RawConnection.OpenAsync(Server, Cancelled);
        await connection.SendAsync(RawConnection.Head(Server, "POST", Path, $"Content-Length: {Sent}"), Cancelled);

        Refusal.Check(await connection.AnswerAsync(Cancelled), Path, 413, "body_too_large");
    }

    [Fact]
    public async Task A_small_body_that_unpacks_without_end_is_refused()
    {
        await DeployAsync("packed", HostileModels.Line());
        var packed = new MemoryStream();
        await using (var gzip = new GZipStream(packed, CompressionLevel.Optimal, leaveOpen: true))
        {
            var spaces = new byte[1 << 20];
            spaces.AsSpan().Fill((byte)' ');
            for (var i = 0; i < 300; i++)
            {
                await gzip.WriteAsync(spaces, Cancelled);
            }
        }

        var content = new ByteArrayContent(packed.ToArray());
        content.Headers.ContentType = new MediaTypeHeaderValue("application/json");
        content.Headers.ContentEncoding.Add("gzip");
        Assert.InRange(packed.Length, 1, 1 << 20);
        using var first = await InferAsync("packed", new Tensor("x", "FP32", [2], new byte[8]));
        var before = (await Server.InstancesAsync("packed", Cancelled)).Single()!["id"]!.GetValue<string>();

        var response = await Server.Http.PostAsync(new Uri("/v2/models/packed/infer", UriKind.Relative), content, Cancelled);

        await Refusal.AssertAsync(response, 413, "body_too_large", "unpacks", "134217728 bytes");
        Assert.Equal(before, (await Server.InstancesAsync("packed", Cancelled)).Single()!["id"]!.GetValue<string>());
        using var next = await InferAsync("packed", new Tensor("x", "FP32", [2], new byte[8]));
        Assert.True(next.IsSuccessStatusCode, "The endpoint does not answer after it.");
    }

    /// <summary>Sends until all is sent or the server takes no more.</summary>
    private static async Task SendChunksAsync(RawConnection connection, Task answer)
    {
        byte[] chunk = [.. "10000\r\n"u8, .. new byte[0x10000], .. "\r\n"u8];
        try
        {
            for (var sent = 0; sent < Sent && !answer.IsCompleted; sent += 0x10000)
            {
                await connection.SendAsync(chunk, Cancelled);
            }
        }
        catch (IOException)
        {
            // Refused meanwhile: the answer tells.
        }
    }
}
