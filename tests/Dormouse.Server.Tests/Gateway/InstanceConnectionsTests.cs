using System.Net;
using System.Net.Sockets;
using Dormouse.Core.Dispatch;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Instances;
using Dormouse.Server.Dispatch;
using Dormouse.Server.Gateway;

namespace Dormouse.Server.Tests.Gateway;

/// <summary>Instances that end a connection while a request is being sent to them.</summary>
public sealed class InstanceConnectionsTests : IDisposable
{
    private const string Refusal = "HTTP/1.1 413 Content Too Large\r\nContent-Length: 8\r\nDormouse-Run: 0\r\n\r\ntoo much";

    private readonly string _folder = Directory.CreateTempSubdirectory("dmic").FullName;
    private readonly DispatchEvents _events = new();
    private readonly InstanceConnections _connections;
    private bool _isThere = true;

    public InstanceConnectionsTests() => _connections = new InstanceConnections(_events, _ => _isThere);

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public void Dispose()
    {
        _connections.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task An_answer_before_the_connection_was_closed_on_a_body_is_kept(bool isDeclared)
    {
        using var listener = Listen();
        var serving = ServeAsync(listener, Refusal);

        using var request = Request(isDeclared);
        using var response = await Invoker().SendAsync(request, Cancellation);

        Assert.Equal(HttpStatusCode.RequestEntityTooLarge, response.StatusCode);
        Assert.Equal("too much", await response.Content.ReadAsStringAsync(Cancellation));
        await serving;
    }

    [Fact]
    public async Task The_next_request_gets_a_connection_of_its_own()
    {
        using var listener = Listen();
        foreach (var _ in Enumerable.Range(0, 2))
        {
            var serving = ServeAsync(listener, Refusal);
            using var request = Request(isDeclared: true);
            using var response = await Invoker().SendAsync(request, Cancellation);
            await response.Content.ReadAsStringAsync(Cancellation);
            Assert.Equal(HttpStatusCode.RequestEntityTooLarge, response.StatusCode);
            await serving;
        }
    }

    [Fact]
    public async Task A_connection_closed_on_a_body_without_an_answer_is_broken()
    {
        using var listener = Listen();
        var serving = ServeAsync(listener, answer: "");

        using var request = Request(isDeclared: true);
        var fault = await Assert.ThrowsAsync<HttpRequestException>(() => Invoker().SendAsync(request, Cancellation));

        Assert.False(InstanceConnections.IsUnreachable(fault));
        await serving;
    }

    [Fact]
    public async Task An_instance_that_does_not_listen_is_unreachable()
    {
        Listen().Dispose();

        using var request = Request(isDeclared: true);
        var fault = await Assert.ThrowsAsync<HttpRequestException>(() => Invoker().SendAsync(request, Cancellation));

        Assert.True(InstanceConnections.IsUnreachable(fault));
    }

    [Fact]
    public async Task An_instance_that_is_gone_leaves_nothing_behind_and_is_unreachable()
    {
        using var listener = Listen();
        var instance = new InstanceId(new RevisionId(new EndpointId(Guid.Empty), 1), 1);
        _ = Invoker();

        _isThere = false;
        _events.RaiseGone(instance);
        // A run whose slot was granted just before asks for its connections just after.
        var late = Invoker();
        using var request = Request(isDeclared: true);
        var fault = await Assert.ThrowsAsync<HttpRequestException>(() => late.SendAsync(request, Cancellation));

        Assert.True(InstanceConnections.IsUnreachable(fault));
        Assert.Equal(0, _connections.Count);
    }

    /// <summary>Takes the first bytes of one request, answers, and closes on the rest of its body.</summary>
    private static async Task ServeAsync(Socket listener, string answer)
    {
        using var connection = await listener.AcceptAsync(Cancellation);
        await connection.ReceiveAsync(new byte[100_000], Cancellation);
        await connection.SendAsync(System.Text.Encoding.ASCII.GetBytes(answer), Cancellation);
    }

    private static HttpRequestMessage Request(bool isDeclared)
    {
        var request = new HttpRequestMessage(HttpMethod.Post, "http://instance/infer") { Content = new ByteArrayContent(new byte[8 << 20]) };
        request.Headers.TransferEncodingChunked = !isDeclared;
        return request;
    }

    private Socket Listen()
    {
        var listener = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        listener.Bind(new UnixDomainSocketEndPoint(Path.Combine(_folder, "i")));
        listener.Listen();
        return listener;
    }

    private HttpMessageInvoker Invoker()
    {
        var instance = new InstanceId(new RevisionId(new EndpointId(Guid.Empty), 1), 1);
        return _connections.For(new SlotLease(1, instance, Path.Combine(_folder, "i"), 1));
    }
}
