using System.IO.Compression;
using System.IO.Pipelines;
using Dormouse.Core.Endpoints;
using Dormouse.Server.Grpc;
using Dormouse.Server.Tests.Gateway;
using Grpc.Core;
using Microsoft.Extensions.Time.Testing;

namespace Dormouse.Server.Tests.Grpc;

/// <summary>Callers who announce a message and do not send it.</summary>
public sealed class UnfinishedMessageTests
{
    private readonly FakeTimeProvider _time = new();
    private readonly Pipe _pipe = new(new PipeOptions(pauseWriterThreshold: 0));
    private readonly MessageMemory _memory = new(1000, 250);

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("ModelInfer", null, "key_missing")]
    [InlineData("ModelInfer", "dm_nobody", "key_invalid")]
    [InlineData("ModelStreamInfer", null, "key_missing")]
    [InlineData("RepositoryIndex", null, "key_missing")]
    public async Task Who_has_no_key_is_refused_before_the_message_is_read(string method, string? key, string code)
    {
        await using var host = await GatewayHost.StartAsync();
        host.Add("digits");
        host.Add("open", isPublic: true, tenant: "neighbour");
        using var call = RawCall.Begin(host, method, RawCall.Prefix(50 << 20), key);

        Assert.Equal((StatusCode.Unauthenticated, code), await call.EndAsync());
    }

    [Fact]
    public async Task Where_an_endpoint_is_public_the_message_is_read_to_know_which_it_names()
    {
        await using var host = await GatewayHost.StartAsync();
        host.Add("digits");
        host.Add("open", isPublic: true);
        host.Driver.Play = run => FakeInstance.AnswerAsync(run.Context, 200, "application/x-protobuf", []);
        using var caller = new GrpcCaller(host);

        await caller.Call(GrpcCaller.ModelInfer, new() { ModelName = "open" }, []);
        var closed = await caller.FailAsync(GrpcCaller.ModelInfer, new() { ModelName = "digits" }, []);

        Assert.Equal(StatusCode.Unauthenticated, closed.StatusCode);
        Assert.Equal(0, host.Service<MessageMemory>().Bytes);
    }

    [Fact]
    public void A_tenant_has_public_endpoints_for_as_long_as_one_is()
    {
        var routes = new Routing.RoutingTable();
        var endpoint = new Endpoint { Tenant = TenantId.Default, Id = new EndpointId(Guid.CreateVersion7()), Name = "a", IsPublic = true, Traffic = [], CreatedAt = default };

        routes.Put(new Routing.EndpointRoute(endpoint, []));
        routes.Put(new Routing.EndpointRoute(endpoint, []));
        Assert.True(routes.HasPublic(TenantId.Default));
        routes.Put(new Routing.EndpointRoute(endpoint with { IsPublic = false }, []));
        Assert.False(routes.HasPublic(TenantId.Default));
        routes.Put(new Routing.EndpointRoute(endpoint, []));
        routes.Remove(endpoint);
        Assert.False(routes.HasPublic(TenantId.Default));
    }

    [Fact]
    public async Task A_small_call_takes_no_large_message()
    {
        await using var host = await GatewayHost.StartAsync();
        using var call = RawCall.Begin(host, "ServerLive", [.. RawCall.Prefix(1 << 20), .. new byte[128 << 10]], key: null);

        Assert.Equal((StatusCode.ResourceExhausted, "body_too_large"), await call.EndAsync());
    }

    [Fact]
    public async Task A_compressed_message_may_not_unpack_to_more_than_the_limit()
    {
        await using var host = await GatewayHost.StartAsync(new() { ["DORMOUSE_SERVER__BODY_LIMIT"] = "1MiB" });
        host.Add("digits");
        var packed = new MemoryStream();
        await using (var gzip = new GZipStream(packed, CompressionLevel.Fastest, leaveOpen: true))
        {
            await gzip.WriteAsync(new byte[32 << 20], Cancellation);
        }

        using var call = RawCall.Begin(
            host, "ModelInfer", [.. RawCall.Prefix((int)packed.Length, isCompressed: true), .. packed.ToArray()], GatewayHost.AdminKey, ends: true, encoding: "gzip");

        Assert.Equal(StatusCode.ResourceExhausted, (await call.EndAsync()).Status);
    }

    [Fact]
    public async Task A_message_that_stalls_is_too_slow()
    {
        using var reader = Reader(mayPause: false);
        await SendAsync(reader, 10);

        var read = reader.ReadAsync(Cancellation).AsTask();
        _time.Advance(TimeSpan.FromSeconds(5));

        Assert.Equal("body_too_slow", await CodeAsync(read));
    }

    [Fact]
    public async Task A_stream_may_pause_between_two_messages_and_not_within_one()
    {
        using var reader = Reader(mayPause: true);

        var idle = reader.ReadAsync(Cancellation).AsTask();
        _time.Advance(TimeSpan.FromHours(1));
        await _pipe.Writer.WriteAsync(new byte[10], Cancellation);
        var whole = await idle;
        reader.AdvanceTo(whole.Buffer.End);
        await SendAsync(reader, 10);
        var stalled = reader.ReadAsync(Cancellation).AsTask();
        _time.Advance(TimeSpan.FromSeconds(5));

        Assert.Equal("body_too_slow", await CodeAsync(stalled));
    }

    [Fact]
    public async Task What_unfinished_messages_hold_is_bounded_and_comes_back()
    {
        Assert.True(_memory.TryTake(900, hasKey: true));
        using (var reader = Reader(mayPause: false))
        {
            await SendAsync(reader, 60);
            await _pipe.Writer.WriteAsync(new byte[60], Cancellation);
            Assert.Equal("concurrency_limit_reached", await CodeAsync(reader.ReadAsync(Cancellation).AsTask()));
            Assert.Equal(960, _memory.Bytes);
        }

        Assert.Equal(900, _memory.Bytes);
    }

    [Fact]
    public void Callers_without_a_key_leave_room_for_those_with_one()
    {
        Assert.True(_memory.TryTake(250, hasKey: false));
        Assert.False(_memory.TryTake(1, hasKey: false));
        Assert.True(_memory.TryTake(750, hasKey: true));
        Assert.False(_memory.TryTake(1, hasKey: true));
        _memory.GiveBack(250, hasKey: false);
        Assert.True(_memory.TryTake(250, hasKey: false));
    }

    /// <summary>Sends so many bytes of a message, and looks at them as the framework does when it is not whole.</summary>
    private async Task SendAsync(MessageReader reader, int bytes)
    {
        await _pipe.Writer.WriteAsync(new byte[bytes], Cancellation);
        var read = await reader.ReadAsync(Cancellation);
        reader.AdvanceTo(read.Buffer.Start, read.Buffer.End);
    }

    private static async Task<string?> CodeAsync(Task read) => (await Assert.ThrowsAsync<RpcException>(() => read)).Trailers.GetValue("dormouse-code");

    private MessageReader Reader(bool mayPause) => new(_pipe.Reader, new MessageRules(500, HasKey: true, mayPause), _memory, _time);
}
