using System.Net;
using System.Net.Http.Headers;
using Dormouse.Core.Destinations;
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

    public async Task<DeliveryResult> SendAsync(Delivery delivery, Destination destination, OutcomeMessage outcome, CancellationToken stopping)
    {
        using var message = Compose(delivery, destination, outcome);
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

    private HttpRequestMessage Compose(Delivery delivery, Destination destination, OutcomeMessage outcome)
    {
        var now = time.GetUtcNow();
        var message = new HttpRequestMessage(HttpMethod.Post, destination.Url)
        {
            Version = HttpVersion.Version11,
            VersionPolicy = HttpVersionPolicy.RequestVersionOrHigher,
            Content = new ReadOnlyMemoryContent(outcome.Body),
        };
        message.Content.Headers.TryAddWithoutValidation("Content-Type", outcome.ContentType);
        message.Headers.UserAgent.Add(new ProductInfoHeaderValue("dormouse", ServerVersion.Text));
        var seconds = now.ToUnixTimeSeconds();
        message.Headers.TryAddWithoutValidation("webhook-id", delivery.Id);
        message.Headers.TryAddWithoutValidation("webhook-timestamp", seconds.ToString(System.Globalization.CultureInfo.InvariantCulture));
        message.Headers.TryAddWithoutValidation("webhook-signature", WebhookSecret.Sign(destination.Secrets(now), delivery.Id, seconds, outcome.Body.Span));
        foreach (var (name, value) in outcome.Attributes)
        {
            message.Headers.TryAddWithoutValidation("ce-" + name, value);
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
