using System.Net;
using System.Net.Sockets;
using System.Text;
using Dormouse.Server.Hosting.Connections;
using Dormouse.Server.Tests.Gateway;

namespace Dormouse.Server.Tests.Hosting;

/// <summary>Callers without a key that connect and say nothing.</summary>
public sealed class ConnectionFloodTests
{
    private const int Bound = 16;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_caller_over_the_bound_is_cut_and_those_connected_are_answered()
    {
        await using var host = await GatewayHost.StartAsync(new() { ["DORMOUSE_SERVER__CONNECTIONS_MAX"] = "16" });
        var callers = new List<TcpClient>();
        foreach (var number in Enumerable.Range(0, Bound))
        {
            callers.Add(await ConnectAsync(host.Http));
            // An answer says that the connection is counted.
            await AssertAnsweredAsync(callers[number]);
        }

        Assert.True(await IsCutAsync(host.Http));
        Assert.True(await IsCutAsync(host.Grpc));

        foreach (var caller in callers)
        {
            await AssertAnsweredAsync(caller);
        }

        callers[0].Dispose();
        await Conditions.UntilAsync(() => host.Service<ConnectionGate>().Count == Bound - 1, "the place of a caller who left is free");
        using (var next = await ConnectAsync(host.Http))
        {
            await AssertAnsweredAsync(next);
        }

        callers.ForEach(c => c.Dispose());
    }

    private static async Task<TcpClient> ConnectAsync(Uri address)
    {
        var client = new TcpClient();
        await client.ConnectAsync(IPAddress.Loopback, address.Port, Cancellation);
        return client;
    }

    private static async Task AssertAnsweredAsync(TcpClient caller)
    {
        var stream = caller.GetStream();
        await stream.WriteAsync("GET /health HTTP/1.1\r\nHost: x\r\n\r\n"u8.ToArray(), Cancellation);
        var answer = new byte[4096];
        var read = 0;
        while (!Encoding.ASCII.GetString(answer, 0, read).EndsWith("{\"status\":\"ok\"}", StringComparison.Ordinal))
        {
            var count = await stream.ReadAsync(answer.AsMemory(read), Cancellation);
            read += count > 0 ? count : throw new IOException("The server ended the connection.");
        }
    }

    private static async Task<bool> IsCutAsync(Uri address)
    {
        try
        {
            using var caller = await ConnectAsync(address);
            return await caller.GetStream().ReadAsync(new byte[1], Cancellation) == 0;
        }
        catch (Exception fault) when (fault is IOException or SocketException)
        {
            // Perhaps already when it connected.
            return true;
        }
    }
}
