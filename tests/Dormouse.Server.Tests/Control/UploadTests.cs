using System.Net;
using System.Security.Cryptography;
using System.Text;
using Dormouse.Protocol.Control;
using Dormouse.Protocol.Problems;
using Dormouse.Server.Tests.Fakes;
using Dormouse.Server.Uploads;
using Microsoft.Extensions.DependencyInjection;

namespace Dormouse.Server.Tests.Control;

public sealed class UploadTests
{
    private static readonly byte[] Content = Encoding.UTF8.GetBytes("0123456789abcdef");
    private static readonly string Hash = Convert.ToHexStringLower(SHA256.HashData(Content));

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_file_is_sent_in_parts_and_goes_on_where_it_ended()
    {
        await using var server = await ControlServer.StartAsync();
        Assert.Equal((404, "0"), await HeadAsync(server));

        using var first = await PutAsync(server, Content[..6], ("Content-Range", "bytes 0-5/16"));
        Assert.Equal((202, "6"), ((int)first.StatusCode, Offset(first)));
        Assert.Equal((404, "6"), await HeadAsync(server));

        using var second = await PutAsync(server, Content[6..], ("Content-Range", "bytes 6-15/16"));
        Assert.Equal((201, "16"), ((int)second.StatusCode, Offset(second)));
        Assert.Equal((200, "16"), await HeadAsync(server));
        Assert.True((await ControlServer.ReadAsync(second, ControlJson.Default.BlobInfo)).Complete);
    }

    [Fact]
    public async Task A_sweeper_that_was_disposed_does_not_start()
    {
        await using var server = await ControlServer.StartAsync();
        var sweeper = server.Services.GetRequiredService<UploadSweeper>();

        await sweeper.DisposeAsync();
        sweeper.Start();
        await sweeper.DisposeAsync();
    }

    [Fact]
    public async Task The_upload_headers_do_the_same()
    {
        await using var server = await ControlServer.StartAsync();

        using var first = await PutAsync(server, Content[..6], ("Upload-Offset", "0"), ("Upload-Length", "16"));
        using var second = await PutAsync(server, Content[6..], ("Upload-Offset", "6"), ("Upload-Length", "16"));

        Assert.Equal(202, (int)first.StatusCode);
        Assert.Equal(201, (int)second.StatusCode);
    }

    [Theory]
    [InlineData("Upload-Offset", "0", "Upload-Length", "68719476737")]
    [InlineData("Upload-Offset", "0", "Upload-Length", "9223372036854775807")]
    [InlineData("Content-Range", "bytes 0-15/68719476737", "X-None", "")]
    public async Task A_file_over_the_stores_bound_is_refused_with_it(string header, string value, string other, string otherValue)
    {
        await using var server = await ControlServer.StartAsync();

        using var response = await PutAsync(server, Content, (header, value), (other, otherValue));

        var problem = await ControlServer.ProblemAsync(response, ProblemCode.BodyTooLarge);
        Assert.Contains("68719476736 bytes", problem.Detail, StringComparison.Ordinal);
        Assert.Equal((404, "0"), await HeadAsync(server));
    }

    [Fact]
    public async Task A_file_that_is_there_is_not_read_again()
    {
        await using var server = await ControlServer.StartAsync();
        (await PutAsync(server, Content)).EnsureSuccessStatusCode();

        using var again = await PutAsync(server, []);

        Assert.Equal((201, "16"), ((int)again.StatusCode, Offset(again)));
    }

    [Fact]
    public async Task A_part_that_begins_elsewhere_is_told_where()
    {
        await using var server = await ControlServer.StartAsync();
        (await PutAsync(server, Content[..6], ("Content-Range", "bytes 0-5/16"))).EnsureSuccessStatusCode();

        using var response = await PutAsync(server, Content[8..], ("Content-Range", "bytes 8-15/16"));

        var problem = await ControlServer.ProblemAsync(response, ProblemCode.UploadOffsetWrong);
        Assert.Equal("6", Offset(response));
        Assert.Contains("byte 6", problem.Detail, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_file_with_another_hash_is_dropped()
    {
        await using var server = await ControlServer.StartAsync();

        using var response = await PutAsync(server, "0123456789ABCDEF"u8.ToArray());

        await ControlServer.ProblemAsync(response, ProblemCode.UploadHashWrong);
        Assert.Equal((404, "0"), await HeadAsync(server));
    }

    [Theory]
    [InlineData("Content-Range", "bytes 0-3/16")]
    [InlineData("Content-Range", "bytes */16")]
    [InlineData("Content-Range", "bytes 0-15/*")]
    [InlineData("Content-Range", "lines 0-15/16")]
    [InlineData("Content-Range", "bytes 9-3/16")]
    [InlineData("Content-Range", "nonsense")]
    [InlineData("Upload-Offset", "0")]
    [InlineData("Upload-Length", "16")]
    [InlineData("Upload-Offset", "-1")]
    public async Task Headers_that_do_not_fit_together_are_refused(string name, string value)
    {
        await using var server = await ControlServer.StartAsync();

        using var response = await PutAsync(server, Content, (name, value));

        await ControlServer.ProblemAsync(response, ProblemCode.RequestInvalid);
    }

    [Theory]
    [InlineData("abc")]
    [InlineData("..%2f..%2fetc%2fpasswd")]
    [InlineData("ABCDEF0123456789ABCDEF0123456789ABCDEF0123456789ABCDEF0123456789")]
    public async Task An_address_that_is_no_hash_is_refused(string hash)
    {
        await using var server = await ControlServer.StartAsync();

        using var response = await server.Admin.PutAsync("/api/v1/blobs/" + hash, new ByteArrayContent(Content), Cancellation);

        Assert.True(response.StatusCode is HttpStatusCode.BadRequest or HttpStatusCode.NotFound);
    }

    private static string? Offset(HttpResponseMessage response) => response.Headers.GetValues("Upload-Offset").Single();

    private static async Task<(int Status, string? Offset)> HeadAsync(ControlServer server)
    {
        using var response = await server.Admin.SendAsync(new HttpRequestMessage(HttpMethod.Head, "/api/v1/blobs/" + Hash), Cancellation);
        return ((int)response.StatusCode, Offset(response));
    }

    private static async Task<HttpResponseMessage> PutAsync(ControlServer server, byte[] body, params (string Name, string Value)[] headers)
    {
        using var request = new HttpRequestMessage(HttpMethod.Put, "/api/v1/blobs/" + Hash) { Content = new ByteArrayContent(body) };
        foreach (var (name, value) in headers)
        {
            if (!request.Headers.TryAddWithoutValidation(name, value))
            {
                request.Content.Headers.TryAddWithoutValidation(name, value);
            }
        }

        return await server.Admin.SendAsync(request, Cancellation);
    }
}
