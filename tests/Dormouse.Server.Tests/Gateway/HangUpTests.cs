using System.Net;
using System.Net.Sockets;
using System.Text;
using Dormouse.Server.Tests.Grpc;

namespace Dormouse.Server.Tests.Gateway;

/// <summary>Callers who hang up in the middle of what they send: that is no error of the server.</summary>
public sealed class HangUpTests
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(20_000, 10_000, false)]
    [InlineData(20_000, 10_000, true)]
    [InlineData(4 << 20, 3 << 20, false)]
    [InlineData(4 << 20, 3 << 20, true)]
    public async Task In_a_body_that_is_kept_or_sent_on(int declared, int sent, bool isReset)
    {
        await using var host = await GatewayHost.StartAsync();
        host.Add("digits");

        await HangUpAsync(host, declared, sent, isReset, () => Task.CompletedTask);
        await host.StopAsync();

        Assert.Empty(host.Errors.Lines);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task In_a_body_that_is_spooled(bool isReset)
    {
        await using var host = await GatewayHost.StartAsync();
        host.Driver.IsReadyAtOnce = false;
        host.Add("digits");

        await HangUpAsync(host, 4 << 20, 3 << 20, isReset, async () => await host.Driver.NextStartAsync(Cancellation));
        await host.StopAsync();

        Assert.Empty(host.Errors.Lines);
    }

    [Theory]
    [InlineData(20_000, 10_000)]
    [InlineData(4 << 20, 3 << 20)]
    public async Task By_being_too_slow(int declared, int sent)
    {
        await using var host = await GatewayHost.StartAsync();
        host.Add("digits");
        using var client = await SendAsync(host, declared, sent);

        var answer = new byte[4096];
        var reading = client.GetStream().ReadAsync(answer, Cancellation).AsTask();
        // The server's clock moves until it has waited for long enough, whenever it began to.
        await Conditions.UntilAsync(
            () =>
            {
                host.Time.Advance(TimeSpan.FromSeconds(1));
                return reading.IsCompleted;
            },
            "the caller is told");

        Assert.StartsWith("HTTP/1.1 408 ", Encoding.ASCII.GetString(answer, 0, await reading), StringComparison.Ordinal);
        client.Close();
        await host.StopAsync();
        Assert.Empty(host.Errors.Lines);
    }

    [Theory]
    [InlineData("ModelInfer")]
    [InlineData("ModelStreamInfer")]
    public async Task In_a_grpc_message(string method)
    {
        await using var host = await GatewayHost.StartAsync();
        host.Add("digits");
        using (RawCall.Begin(host, method, [.. RawCall.Prefix(2 << 20), .. new byte[1 << 20]], GatewayHost.AdminKey))
        {
            await Conditions.UntilAsync(() => host.Service<Server.Grpc.MessageMemory>().Bytes > 1 << 20, "the part has come");
        }

        await Conditions.UntilAsync(() => host.Service<Server.Grpc.MessageMemory>().Bytes == 0, "the call has ended");
        await host.StopAsync();
        Assert.Empty(host.Errors.Lines);
    }

    private static async Task HangUpAsync(GatewayHost host, int declared, int sent, bool isReset, Func<Task> before)
    {
        using var client = await SendAsync(host, declared, sent);
        await before();
        // A reset takes back what the server has not read yet, its head, too.
        await Conditions.UntilAsync(() => host.Service<CallersLeft>().Begun == 1, "the request has begun");
        if (isReset)
        {
            client.LingerState = new LingerOption(true, 0);
        }

        client.Close();
        await Conditions.UntilAsync(() => host.Service<CallersLeft>().Ended == 1, "the request has ended");
    }

    private static async Task<TcpClient> SendAsync(GatewayHost host, int declared, int sent)
    {
        var client = new TcpClient();
        await client.ConnectAsync(IPAddress.Loopback, host.Http.Port, Cancellation);
        await client.GetStream().WriteAsync(
            Encoding.ASCII.GetBytes($"POST /v2/models/digits/infer HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {GatewayHost.AdminKey}\r\nContent-Length: {declared}\r\n\r\n"), Cancellation);
        await client.GetStream().WriteAsync(new byte[sent], Cancellation);
        return client;
    }
}
