using System.Globalization;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text.Json.Serialization.Metadata;
using Dormouse.Protocol.Control;

namespace Dormouse.Client;

/// <summary>
/// Typed client of one Dormouse server: control plane (<c>/api/v1</c>), uploads and data plane. Thread-safe. Works over any handler, so a page
/// inside the server can use it without a network. Every refusal is a <see cref="DormouseException"/>.
/// </summary>
public sealed class DormouseClient : IDisposable
{
    private readonly HttpClient _http;
    private readonly TimeProvider _time;

    /// <param name="handler">Sends the requests; owned by the client.</param>
    /// <param name="server">Root address of the server.</param>
    /// <param name="key">Sent as <c>Authorization: Bearer</c>; null = none.</param>
    /// <param name="time">Clock of the waits between tries; null = the system's.</param>
    public DormouseClient(HttpMessageHandler handler, Uri server, string? key, TimeProvider? time = null)
    {
        ArgumentNullException.ThrowIfNull(handler);
        ArgumentNullException.ThrowIfNull(server);
        _time = time ?? TimeProvider.System;
        Server = server.AbsolutePath.EndsWith('/') ? server : new Uri(server.AbsoluteUri + "/");
        // Uploads and cold starts may take long: each call is bounded by its cancellation token and by the server's own limits.
        _http = new HttpClient(handler) { BaseAddress = Server, Timeout = Timeout.InfiniteTimeSpan };
        _http.DefaultRequestHeaders.UserAgent.Add(new ProductInfoHeaderValue("dormouse-client", typeof(DormouseClient).Assembly.GetName().Version?.ToString(3)));
        if (key is not null)
        {
            _http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", key);
        }

        Endpoints = new EndpointsClient(this);
        Usage = new UsageClient(this);
        Keys = new KeysClient(this);
        Secrets = new SecretsClient(this);
        Blobs = new BlobUploader(this, _time);
        Invocations = new InvocationsClient(this);
        Queue = new QueueClient(this);
        Destinations = new DestinationsClient(this);
        Triggers = new TriggersClient(this);
        Batches = new BatchesClient(this);
        Functions = new FunctionsClient(this);
        Environments = new EnvironmentsClient(this);
    }

    public Uri Server { get; }

    public EndpointsClient Endpoints { get; }

    public UsageClient Usage { get; }

    public KeysClient Keys { get; }

    public SecretsClient Secrets { get; }

    public BlobUploader Blobs { get; }

    public InvocationsClient Invocations { get; }

    public QueueClient Queue { get; }

    public DestinationsClient Destinations { get; }

    public TriggersClient Triggers { get; }

    public BatchesClient Batches { get; }

    public FunctionsClient Functions { get; }

    public EnvironmentsClient Environments { get; }

    /// <summary>A client over the network. Redirects are not followed: a key must not travel to another address.</summary>
    public static DormouseClient Connect(Uri server, string? key, TimeProvider? time = null) =>
        new(new SocketsHttpHandler { AllowAutoRedirect = false, UseCookies = false, ConnectTimeout = TimeSpan.FromSeconds(10) }, server, key, time);

    public Task<VersionInfo> VersionAsync(CancellationToken cancellationToken = default) =>
        GetAsync("api/v1/version", ControlJson.Default.VersionInfo, cancellationToken);

    /// <param name="full">Add up all receipts, not only those of the last day: takes long when there are many.</param>
    /// <param name="cancellationToken">Ends the call.</param>
    public Task<DoctorReport> DoctorAsync(bool full = false, CancellationToken cancellationToken = default) =>
        GetAsync(full ? "api/v1/doctor?full=true" : "api/v1/doctor", ControlJson.Default.DoctorReport, cancellationToken);

    public void Dispose() => _http.Dispose();

    internal Task<T> GetAsync<T>(string path, JsonTypeInfo<T> type, CancellationToken cancellationToken) =>
        SendAsync(HttpMethod.Get, path, null, type, cancellationToken);

    internal Task<TAnswer> SendAsync<TBody, TAnswer>(
        HttpMethod method, string path, TBody body, JsonTypeInfo<TBody> bodyType, JsonTypeInfo<TAnswer> answerType, CancellationToken cancellationToken) =>
        SendAsync(method, path, JsonContent.Create(body, bodyType), answerType, cancellationToken);

    internal async Task<T> SendAsync<T>(HttpMethod method, string path, HttpContent? content, JsonTypeInfo<T> type, CancellationToken cancellationToken)
    {
        using var request = new HttpRequestMessage(method, path) { Content = content };
        using var response = await SendAsync(request, cancellationToken).ConfigureAwait(false);
        await ThrowIfRefusedAsync(response, cancellationToken).ConfigureAwait(false);
        try
        {
            return await response.Content.ReadFromJsonAsync(type, cancellationToken).ConfigureAwait(false)
                ?? throw new DormouseException(new() { Status = (int)response.StatusCode, Detail = $"{method} {path} answered null.", Code = "answer_invalid" });
        }
        catch (Exception e) when (e is System.Text.Json.JsonException or NotSupportedException)
        {
            throw new DormouseException(
                new() { Status = (int)response.StatusCode, Detail = $"{method} {Server}{path} did not answer as a Dormouse server does. Is the address right?", Code = "answer_invalid" }, e);
        }
    }

    internal async Task SendAsync(HttpMethod method, string path, CancellationToken cancellationToken)
    {
        using var request = new HttpRequestMessage(method, path);
        using var response = await SendAsync(request, cancellationToken).ConfigureAwait(false);
        await ThrowIfRefusedAsync(response, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Sends and returns when the answer's headers are here, whatever its status.</summary>
    internal async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        try
        {
            return await _http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancellationToken).ConfigureAwait(false);
        }
        catch (HttpRequestException e)
        {
            throw new ServerUnreachableException(Server, e);
        }
        catch (OperationCanceledException e) when (!cancellationToken.IsCancellationRequested)
        {
            // The connect time-out of the handler.
            throw new ServerUnreachableException(Server, e);
        }
    }

    internal async Task ThrowIfRefusedAsync(HttpResponseMessage response, CancellationToken cancellationToken)
    {
        if (!response.IsSuccessStatusCode)
        {
            throw await ProblemReader.ReadAsync(response, _time, cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>One part of an address; an empty one or dots would name another address whatever their escaping.</summary>
    internal static string Escape(string segment) =>
        segment is "" or "." or ".." ? throw new ArgumentException($"'{segment}' is no name.", nameof(segment)) : Uri.EscapeDataString(segment);

    internal static string Escape(DateTimeOffset time) => Uri.EscapeDataString(time.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss.FFFFFF'Z'", CultureInfo.InvariantCulture));
}
