using System.Globalization;
using Dormouse.Core.Destinations;
using Dormouse.Protocol.Control;
using Dormouse.Protocol.Problems;
using Dormouse.Server.Control;
using Dormouse.Server.Errors;

namespace Dormouse.Server.Destinations;

/// <summary><c>/api/v1/deliveries</c>.</summary>
internal sealed class DeliveriesApi(IDestinationStore store, DeliveryLoop loop, TimeProvider time)
{
    private const int ListMax = 1_000;

    private const int RedriveMax = 10_000;

    private const int RedriveDefault = 1_000;

    public async Task ListAsync(ControlCall call)
    {
        if (await call.NumberAsync("limit", 100, 1, ListMax) is not { } limit)
        {
            return;
        }

        if (await call.WordAsync<DeliveryState>("state", Words.Of) is not (true, var state) || await call.PositionAsync() is not (true, var before))
        {
            return;
        }

        var found = await store.ListAsync(new DeliveryFilter(call.Tenant, call.Query("to"), state, before, limit + 1), call.Cancellation);
        var page = found.Length > limit ? found[..limit] : found;
        await JsonBody.WriteAsync(
            call.Http,
            new DeliveryList([.. page.Select(DestinationViews.Info)], found.Length > limit ? page[^1].Number.ToString(CultureInfo.InvariantCulture) : null),
            ControlJson.Default.DeliveryList);
    }

    public async Task RedriveAsync(ControlCall call)
    {
        if (await JsonBody.ReadAsync(call.Http, ControlJson.Default.RedriveDeliveriesRequest) is not { } request)
        {
            return;
        }

        var limit = request.Limit ?? RedriveDefault;
        if (limit is < 1 or > RedriveMax)
        {
            await Problems.WriteAsync(call.Http, ProblemCode.RequestInvalid, $"'limit' is {limit}; allowed is a whole number from 1 to {RedriveMax}.");
            return;
        }

        var count = await store.RedriveAsync(call.Tenant, request.Number, request.To, time.GetUtcNow(), limit, call.Cancellation);
        if (count == 0 && request.Number is { } number)
        {
            await Problems.WriteAsync(call.Http, ProblemCode.DeliveryNotFound, $"There is no dead delivery with number {number}; 'dormouse delivery list --state dead' shows those that there are.");
            return;
        }

        loop.Use();
        await JsonBody.WriteAsync(call.Http, new RedriveAnswer(count), ControlJson.Default.RedriveAnswer);
    }
}
