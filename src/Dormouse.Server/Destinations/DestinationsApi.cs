using System.Collections.Immutable;
using Dormouse.Core.Destinations;
using Dormouse.Core.Endpoints;
using Dormouse.Protocol.Control;
using Dormouse.Protocol.Problems;
using Dormouse.Server.Control;
using Dormouse.Server.Errors;
using Dormouse.Server.Hosting.Settings;
using Dormouse.Server.Routing;
using Microsoft.AspNetCore.Http;

namespace Dormouse.Server.Destinations;

/// <summary><c>/api/v1/destinations</c>, and which of them an endpoint uses.</summary>
internal sealed class DestinationsApi(
    IDestinationStore store, AddressGuard guard, BrokerSender brokers, DestinationReferences references, EndpointsApi endpoints, EndpointViews views, RoutingTable routes, TimeProvider time)
{
    private static readonly TimeSpan OverlapDefault = TimeSpan.FromHours(24);

    private static readonly TimeSpan OverlapMax = TimeSpan.FromDays(30);

    public async Task ListAsync(ControlCall call)
    {
        var infos = ImmutableArray.CreateBuilder<DestinationInfo>();
        foreach (var destination in await store.ListAsync(call.Tenant, call.Cancellation))
        {
            infos.Add(await InfoAsync(destination, call.Cancellation));
        }

        await JsonBody.WriteAsync(call.Http, new DestinationList(infos.ToImmutable()), ControlJson.Default.DestinationList);
    }

    public async Task GetAsync(ControlCall call)
    {
        if (await store.FindAsync(call.Tenant, call.Route("name"), call.Cancellation) is { } destination)
        {
            await JsonBody.WriteAsync(call.Http, await InfoAsync(destination, call.Cancellation), ControlJson.Default.DestinationInfo);
            return;
        }

        await NotFoundAsync(call);
    }

    public async Task CreateAsync(ControlCall call)
    {
        if (await JsonBody.ReadAsync(call.Http, ControlJson.Default.CreateDestinationRequest) is not { } request || await SecretAsync(call, request.Secret) is not { } secret)
        {
            return;
        }

        if (EndpointName.LabelRefusal(request.Name) is { } badName || (badName = request.Name == Destination.None ? "The name 'none' means nowhere. Choose another." : null) is not null)
        {
            await Problems.WriteAsync(call.Http, ProblemCode.NameInvalid, badName);
            return;
        }

        var isBroker = Uri.TryCreate(request.Url, UriKind.Absolute, out var url) && BrokerAddress.Of(url) is not null;
        if (isBroker && request.Secret is not null)
        {
            await Problems.WriteAsync(call.Http, ProblemCode.SpecInvalid, "'secret' is for what is sent over HTTP: messages to a broker are not signed.");
            return;
        }

        if ((isBroker ? brokers.Refusal(request.Url) : guard.Refusal(request.Url)) is { } allowed)
        {
            await Problems.WriteAsync(call.Http, ProblemCode.SpecInvalid, $"'url' is '{UrlText.Shown(request.Url)}'; allowed is {allowed}.");
            return;
        }

        var form = request.Form is null ? DestinationForm.Webhook : Enum.GetValues<DestinationForm>().Select(f => (DestinationForm?)f).FirstOrDefault(f => Words.Of(f!.Value) == request.Form);
        if (form is null)
        {
            await Problems.WriteAsync(call.Http, ProblemCode.SpecInvalid, $"'form' is '{UrlText.Shown(request.Form!)}'; allowed is {string.Join(" or ", Enum.GetValues<DestinationForm>().Select(Words.Of))}.");
            return;
        }

        var destination = new Destination(call.Tenant, request.Name, request.Url, form.Value, secret, time.GetUtcNow());
        if (await store.AddAsync(destination, call.Cancellation))
        {
            await ShowSecretAsync(call, destination, StatusCodes.Status201Created);
            return;
        }

        await Problems.WriteAsync(call.Http, ProblemCode.Conflict, $"There is a destination '{request.Name}' already. Delete it first, or choose another name.");
    }

    public async Task RotateAsync(ControlCall call)
    {
        if (await JsonBody.ReadAsync(call.Http, ControlJson.Default.RotateRequest) is not { } request || await SecretAsync(call, request.Secret) is not { } secret)
        {
            return;
        }

        var overlap = OverlapDefault;
        if (request.Overlap is not null && (!Durations.TryParse(request.Overlap, out overlap) || overlap > OverlapMax))
        {
            await Problems.WriteAsync(call.Http, ProblemCode.SpecInvalid, $"'overlap' is '{UrlText.Shown(request.Overlap)}'; allowed is {Durations.Forms}, at most {Durations.Format(OverlapMax)}.");
            return;
        }

        if (await store.FindAsync(call.Tenant, call.Route("name"), call.Cancellation) is { IsSigned: false })
        {
            await Problems.WriteAsync(call.Http, ProblemCode.SpecInvalid, "Messages to a broker are not signed: this destination has no secret.");
            return;
        }

        var until = time.GetUtcNow() + overlap;
        await ShowChangedAsync(call, await store.ChangeAsync(call.Tenant, call.Route("name"), d => d.Rotated(secret, until), call.Cancellation), isSecretShown: true);
    }

    public async Task EnableAsync(ControlCall call) =>
        await ShowChangedAsync(call, await store.ChangeAsync(call.Tenant, call.Route("name"), d => d with { DisabledReason = null }, call.Cancellation), isSecretShown: false);

    public async Task DeleteAsync(ControlCall call)
    {
        var name = call.Route("name");
        if (await store.UsersAsync(call.Tenant, name, call.Cancellation) is [var user, ..])
        {
            await Problems.WriteAsync(call.Http, ProblemCode.Conflict, $"Endpoint '{routes.NameOf(user) ?? user.ToString()}' reports to destination '{name}'. Let it report elsewhere first ('dormouse destination use').");
            return;
        }

        if (await store.RemoveAsync(call.Tenant, name, call.Cancellation))
        {
            call.Http.Response.StatusCode = StatusCodes.Status204NoContent;
            return;
        }

        await NotFoundAsync(call);
    }

    public async Task PutUseAsync(ControlCall call)
    {
        if (await JsonBody.ReadAsync(call.Http, ControlJson.Default.DestinationsRequest) is not { } request || await endpoints.FindAsync(call) is not { } endpoint)
        {
            return;
        }

        var use = new DestinationUse(Named(request.OnSuccess), Named(request.OnFailure));
        if (await references.RefusalAsync(call.Tenant, use.OnSuccess, use.OnFailure, call.Cancellation) is { } refusal)
        {
            await Problems.WriteAsync(call.Http, refusal.Code, refusal.Detail);
            return;
        }

        await store.SetUseAsync(endpoint.Id, use, call.Cancellation);
        await JsonBody.WriteAsync(call.Http, await views.DetailAsync(endpoint, call.Http.Request, call.Cancellation), ControlJson.Default.EndpointInfo);
    }

    private static string? Named(string? reference) => reference is Destination.None or "" ? null : reference;

    /// <summary>Null after the problem was written.</summary>
    private static async Task<ImmutableArray<byte>?> SecretAsync(ControlCall call, string? text)
    {
        if (text is null)
        {
            return WebhookSecret.Draw();
        }

        if (WebhookSecret.Parse(text) is { } secret)
        {
            return secret;
        }

        await Problems.WriteAsync(call.Http, ProblemCode.SpecInvalid, $"'secret' is not of the form allowed: {WebhookSecret.Form}.");
        return null;
    }

    private async Task ShowChangedAsync(ControlCall call, Destination? changed, bool isSecretShown)
    {
        if (changed is null)
        {
            await NotFoundAsync(call);
        }
        else if (isSecretShown)
        {
            await ShowSecretAsync(call, changed, StatusCodes.Status200OK);
        }
        else
        {
            await JsonBody.WriteAsync(call.Http, await InfoAsync(changed, call.Cancellation), ControlJson.Default.DestinationInfo);
        }
    }

    private async Task ShowSecretAsync(ControlCall call, Destination destination, int status)
    {
        call.Http.Response.Headers.CacheControl = "no-store";
        var info = await InfoAsync(destination, call.Cancellation);
        await JsonBody.WriteAsync(call.Http, destination.IsSigned ? info with { Secret = WebhookSecret.Text(destination.Secret) } : info, ControlJson.Default.DestinationInfo, status);
    }

    private async Task<DestinationInfo> InfoAsync(Destination destination, CancellationToken cancellationToken)
    {
        var users = await store.UsersAsync(destination.Tenant, destination.Name, cancellationToken);
        return DestinationViews.Info(destination, time.GetUtcNow(), [.. users.Select(routes.NameOf).OfType<string>()]);
    }

    private static Task NotFoundAsync(ControlCall call) =>
        Problems.WriteAsync(call.Http, ProblemCode.DestinationNotFound, "There is no destination of this name; 'dormouse destination list' shows those that there are.");
}
