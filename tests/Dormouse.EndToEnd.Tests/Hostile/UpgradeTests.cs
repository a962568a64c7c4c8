using System.Net;
using System.Net.WebSockets;

namespace Dormouse.EndToEnd.Tests.Hostile;

/// <summary>A WebSocket where only a model is: it takes none, and says so.</summary>
public sealed class UpgradeTests(HostileServer hostile) : HostileTests(hostile)
{
    private const string Upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==";

    [Theory]
    [InlineData("/invoke/neighbour", 405, "method_not_allowed")]
    [InlineData("/invoke/neighbour/chat", 404, "route_not_found")]
    [InlineData("/invoke/nobody", 404, "endpoint_not_found")]
    [InlineData("/v2/models/neighbour/infer", 405, "method_not_allowed")]
    public async Task An_upgrade_gets_a_clear_refusal(string path, int status, string code)
    {
        using var connection = await RawConnection.OpenAsync(Server, Cancelled);

        await connection.SendAsync(RawConnection.Head(Server, "GET", path, Upgrade), Cancelled);

        Refusal.Check(await connection.AnswerAsync(Cancelled), path, status, code);
    }

    [Fact]
    public async Task A_websocket_client_is_told_the_status()
    {
        using var client = new ClientWebSocket();
        client.Options.SetRequestHeader("Authorization", "Bearer " + Server.Key);
        client.Options.CollectHttpResponseDetails = true;
        var address = new UriBuilder(new Uri(Server.Address, "/invoke/neighbour")) { Scheme = "ws" }.Uri;

        await Assert.ThrowsAsync<WebSocketException>(() => client.ConnectAsync(address, Cancelled));

        Assert.Equal(HttpStatusCode.MethodNotAllowed, client.HttpStatusCode);
    }
}
