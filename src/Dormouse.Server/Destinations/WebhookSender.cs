using System.Net;
using System.Net.Http.Headers;
using Dormouse.Core.Destinations;
using Dormouse.Core.Queues;
using Dormouse.Server.Hosting;
using Dormouse.Server.Hosting.Settings;

namespace Dormouse.Server.Destinations;

/// <summary>Posts outcomes to addresses outside. Whatever is there is not trusted: it gets so long, its redirects are not followed, of its answer only the head is read.</summary>
internal sealed class WebhookSender(AddressGuard guard, DestinationsSettings settings, TimeProvider time) : IDisposable
{
    private const int ConnectionsPerHostMax = 8;

    private const int HeadersKibMax = 16;

    private static readonly TimeSpan ConnectionLifetime = TimeSpan.FromMinutes(1);

    private readonly Lazy<HttpMessageInvoker> _http = new(() => new HttpMessageInvoker(new SocketsHttpHandler
    {
        AllowAutoRedirect = false,
        UseCookies = false,
        UseProxy = false,
        ActivityHeadersPropagator = null,
        ConnectCallback = guard.ConnectAsync,
        MaxConnectionsPerServer = ConnectionsPerHostMax,
        MaxResponseHeadersLength = HeadersKibMax,
        PooledConnectionLifetime = ConnectionLifetime,
        ResponseDrainTimeout = TimeSpan.Zero,
    }));

    /// <summary>How long one attempt lasts at most.</summary>
    public TimeSpan Limit => settings.Timeout;

    /// <param name="endpoint">Name of the endpoint whose outcome it is.</param>
    /// <param name="document">The outcome as JSON; where an event carries the answer itself, that is sent instead.</param>
    public async Task<DeliveryResult> SendAsync(Delivery delivery, Destination destination, StoredAnswer? answer, string endpoint, byte[] document, CancellationToken stopping)
    {
        using var message = Compose(delivery, destination, answer, endpoint, document);
        using var limit = new CancellationTokenSource(settings.Timeout, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, stopping);
        try
        {
            using var response = await _http.Value.SendAsync(message, either.Token);
            return new DeliveryResult.Answered((int)response.StatusCode, RetryAfter(response.Headers.RetryAfter));
        }
        catch (OperationCanceledException) when (limit.IsCancellationRequested && !stopping.IsCancellationRequested)
        {
            return new DeliveryResult.Unanswered($"the destination did not answer within {Core.Endpoints.Durations.Format(settings.Timeout)}");
        }
        catch (HttpRequestException fault) when (Forbidden(fault) is { } forbidden)
        {
            return new DeliveryResult.Impossible(forbidden.Message);
        }
        catch (Exception fault) when (fault is HttpRequestException or IOException)
        {
            return new DeliveryResult.Unanswered("the destination could not be reached: " + (fault.InnerException ?? fault).Message);
        }
    }

    public void Dispose()
    {
        if (_http.IsValueCreated)
        {
            _http.Value.Dispose();
        }
    }

    private HttpRequestMessage Compose(Delivery delivery, Destination destination, StoredAnswer? answer, string endpoint, byte[] document)
    {
        var now = time.GetUtcNow();
        var isEvent = destination.Form == DestinationForm.CloudEvents;
        var carriesAnswer = isEvent && delivery.Outcome == QueueState.Succeeded && answer is not null;
        var body = carriesAnswer ? answer!.Body : document; // carriesAnswer says that it is there.
        var message = new HttpRequestMessage(HttpMethod.Post, destination.Url)
        {
            Version = HttpVersion.Version11,
            VersionPolicy = HttpVersionPolicy.RequestVersionOrHigher,
            Content = new ReadOnlyMemoryContent(body),
        };
        var type = carriesAnswer ? OutcomeDocument.ContentType(answer) ?? "application/octet-stream" : "application/json";
        message.Content.Headers.TryAddWithoutValidation("Content-Type", type);
        message.Headers.UserAgent.Add(new ProductInfoHeaderValue("dormouse", ServerVersion.Text));
        var seconds = now.ToUnixTimeSeconds();
        message.Headers.TryAddWithoutValidation("webhook-id", delivery.Id);
        message.Headers.TryAddWithoutValidation("webhook-timestamp", seconds.ToString(System.Globalization.CultureInfo.InvariantCulture));
        message.Headers.TryAddWithoutValidation("webhook-signature", WebhookSecret.Sign(destination.Secrets(now), delivery.Id, seconds, body.Span));
        if (isEvent)
        {
            message.Headers.TryAddWithoutValidation("ce-specversion", "1.0");
            message.Headers.TryAddWithoutValidation("ce-id", delivery.Id);
            message.Headers.TryAddWithoutValidation("ce-source", $"/t/{delivery.Tenant}/endpoints/{endpoint}");
            message.Headers.TryAddWithoutValidation("ce-type", "dormouse." + OutcomeDocument.Type(delivery));
            message.Headers.TryAddWithoutValidation("ce-subject", delivery.Invocation.ToString());
            message.Headers.TryAddWithoutValidation("ce-time", delivery.CreatedAt.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss.FFFFFF'Z'", System.Globalization.CultureInfo.InvariantCulture));
        }

        return message;
    }

    private TimeSpan? RetryAfter(RetryConditionHeaderValue? header) => header switch
    {
        { Delta: { } delta } => delta,
        { Date: { } date } when date > time.GetUtcNow() => date - time.GetUtcNow(),
        _ => null,
    };

    private static ForbiddenAddressException? Forbidden(Exception fault)
    {
        for (var inner = fault; inner is not null; inner = inner.InnerException)
        {
            if (inner is ForbiddenAddressException forbidden)
            {
                return forbidden;
            }
        }

        return null;
    }
}
