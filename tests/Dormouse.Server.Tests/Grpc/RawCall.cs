using System.Buffers.Binary;
using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using Dormouse.Server.Tests.Gateway;
using Grpc.Core;

namespace Dormouse.Server.Tests.Grpc;

/// <summary>A gRPC call made by hand over HTTP/2: it sends what the test says and may never finish its message.</summary>
internal sealed class RawCall : IDisposable
{
    private readonly HttpClient _client = new(new SocketsHttpHandler()) { Timeout = Timeout.InfiniteTimeSpan };
    private readonly CancellationTokenSource _over = new();

    private RawCall(Task<HttpResponseMessage> answer) => Answer = answer;

    public Task<HttpResponseMessage> Answer { get; private set; }

    /// <param name="first">What is sent of the body; then the caller waits for ever.</param>
    public static RawCall Begin(GatewayHost host, string method, byte[] first, string? key, bool ends = false, string? encoding = null)
    {
        var call = new RawCall(Task.FromResult(new HttpResponseMessage()));
        var request = new HttpRequestMessage(HttpMethod.Post, new Uri(host.Grpc, "/inference.GRPCInferenceService/" + method))
        {
            Version = HttpVersion.Version20,
            VersionPolicy = HttpVersionPolicy.RequestVersionExact,
            Content = new Unfinished(first, ends, call._over.Token),
        };
        request.Content.Headers.ContentType = new MediaTypeHeaderValue("application/grpc");
        request.Headers.TryAddWithoutValidation("te", "trailers");
        if (encoding is not null)
        {
            request.Headers.TryAddWithoutValidation("grpc-encoding", encoding);
        }

        if (key is not null)
        {
            request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", key);
        }

        call.Answer = call._client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, TestContext.Current.CancellationToken);
        return call;
    }

    /// <summary>The five bytes before a message.</summary>
    public static byte[] Prefix(int length, bool isCompressed = false)
    {
        var prefix = new byte[5];
        prefix[0] = isCompressed ? (byte)1 : (byte)0;
        BinaryPrimitives.WriteInt32BigEndian(prefix.AsSpan(1), length);
        return prefix;
    }

    /// <summary>How the call ended, from its trailers or, when those came alone, its headers.</summary>
    public async Task<(StatusCode Status, string? Code)> EndAsync()
    {
        using var answer = await Answer;
        await answer.Content.ReadAsByteArrayAsync(TestContext.Current.CancellationToken);
        return ((StatusCode)int.Parse(Value(answer, "grpc-status") ?? "-1", CultureInfo.InvariantCulture), Value(answer, "dormouse-code"));
    }

    public void Dispose()
    {
        _over.Cancel();
        _client.Dispose();
        _over.Dispose();
    }

    private static string? Value(HttpResponseMessage answer, string name) =>
        answer.TrailingHeaders.TryGetValues(name, out var values) || answer.Headers.TryGetValues(name, out values) ? values.Single() : null;

    private sealed class Unfinished(byte[] first, bool ends, CancellationToken over) : HttpContent
    {
        protected override async Task SerializeToStreamAsync(Stream stream, TransportContext? context)
        {
            await stream.WriteAsync(first, over);
            await stream.FlushAsync(over);
            if (!ends)
            {
                await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, over);
            }
        }

        protected override bool TryComputeLength(out long length)
        {
            length = 0;
            return false;
        }
    }
}
