using System.Net.Sockets;
using System.Text;

namespace Dormouse.Server.Tests.Gateway;

/// <summary>What the web server refuses by itself, before there is a request, and what reaches the product.</summary>
public sealed class WebServerRefusalTests
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("GARBAGE\r\n\r\n", 400)]
    [InlineData("GET / HTTP/9.9\r\nHost: x\r\n\r\n", 505)]
    [InlineData("GET /{8200} HTTP/1.1\r\nHost: x\r\n\r\n", 414)]
    [InlineData("GET / HTTP/1.1\r\nHost: x\r\nX: {33000}\r\n\r\n", 431)]
    [InlineData("GET / HTTP/1.1\r\n\r\n", 400)]
    public async Task What_is_no_request_gets_a_status_without_a_body_and_the_connection_ends(string request, int status)
    {
        await using var host = await GatewayHost.StartAsync();

        var answer = await AskAsync(host, request.Replace("{8200}", new string('a', 8200), StringComparison.Ordinal).Replace("{33000}", new string('a', 33_000), StringComparison.Ordinal));

        Assert.StartsWith($"HTTP/1.1 {status} ", answer, StringComparison.Ordinal);
        Assert.Contains("Content-Length: 0\r\nConnection: close\r\n", answer, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_chunk_that_is_none_is_a_problem()
    {
        await using var host = await GatewayHost.StartAsync();
        host.Add("digits");

        var answer = await AskAsync(
            host, $"POST /v2/models/digits/infer HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {GatewayHost.AdminKey}\r\nTransfer-Encoding: chunked\r\n\r\nno number\r\n");

        Assert.StartsWith("HTTP/1.1 400 ", answer, StringComparison.Ordinal);
        Assert.Contains("\"code\":\"request_invalid\"", answer, StringComparison.Ordinal);
    }

    /// <summary>Everything that the server says until it ends the connection.</summary>
    private static async Task<string> AskAsync(GatewayHost host, string request)
    {
        using var client = new TcpClient();
        await client.ConnectAsync(host.Http.Host, host.Http.Port, Cancellation);
        await using var stream = client.GetStream();
        await stream.WriteAsync(Encoding.ASCII.GetBytes(request), Cancellation);
        var answer = new MemoryStream();
        try
        {
            await stream.CopyToAsync(answer, Cancellation);
        }
        catch (IOException)
        {
            // It was reset behind the answer: bytes of the request were left unread.
        }

        return Encoding.UTF8.GetString(answer.ToArray());
    }
}
