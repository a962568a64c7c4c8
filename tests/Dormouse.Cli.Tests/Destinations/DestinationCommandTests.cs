using System.Text.Json;
using Dormouse.Protocol.Control;
using Microsoft.AspNetCore.Http;

namespace Dormouse.Cli.Tests.Destinations;

public sealed class DestinationCommandTests : ServerTests
{
    [Fact]
    public async Task A_new_destination_shows_its_secret_once()
    {
        CreateDestinationRequest? sent = null;
        Server.Destinations = async context =>
        {
            sent = await context.Request.ReadFromJsonAsync(ControlJson.Default.CreateDestinationRequest);
            context.Response.StatusCode = 201;
            await context.Response.WriteAsync(JsonSerializer.Serialize(
                new DestinationInfo { Name = "orders", Url = "https://example.com/", Form = "webhook", Secret = "whsec_abc", CreatedAt = DateTimeOffset.UnixEpoch }, ControlJson.Default.DestinationInfo));
        };

        var made = (await Shell.RunAsync("destination", "create", "orders", "--url", "https://example.com/", "--form", "webhook")).Done();

        Assert.Equal(("orders", "https://example.com/", "webhook", null), (sent!.Name, sent.Url, sent.Form, sent.Secret));
        Assert.Contains("whsec_abc", made.Out, StringComparison.Ordinal);
        Assert.Contains("shown this once", made.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Dead_deliveries_are_listed_and_sent_again()
    {
        Server.Destinations = context => context.Response.WriteAsync(context.Request.Method == "GET"
            ? JsonSerializer.Serialize(
                new DeliveryList([new DeliveryInfo { Id = "i1-17", Number = 17, InvocationId = "i1", To = "orders", Outcome = "succeeded", State = "dead", Attempts = 10, Reason = "the destination answered 500", CreatedAt = DateTimeOffset.UnixEpoch }], null),
                ControlJson.Default.DeliveryList)
            : """{"redriven":1}""");

        var list = (await Shell.RunAsync("delivery", "list", "--to", "orders", "--state", "dead")).Done();
        var again = (await Shell.RunAsync("delivery", "redrive", "17")).Done();

        Assert.Contains("the destination answered 500", list.Out, StringComparison.Ordinal);
        Assert.Contains("GET /api/v1/deliveries?limit=100&to=orders&state=dead", Server.Requests);
        Assert.Equal("1 delivery is sent again\n", again.Out);
    }

    [Fact]
    public async Task Goals_of_a_file_are_set_once_and_can_be_taken_back()
    {
        Shell.Write("digits/model.onnx", "model one");
        var file = Shell.Write("dormouse.yaml", "endpoints: { digits: { source: digits, on_success: orders, on_failure: 'endpoint:cleanup' } }");

        (await Shell.RunAsync("apply", "-f", file)).Done();
        var second = (await Shell.RunAsync("apply", "-f", file)).Done();
        Shell.Write("dormouse.yaml", "endpoints: { digits: { source: digits, on_success: none } }");
        var less = (await Shell.RunAsync("apply", "-f", file)).Done();
        Shell.Write("dormouse.yaml", "endpoints: { digits: { source: digits, on_success: 'No!' } }");
        var wrong = await Shell.RunAsync("apply", "-f", file);

        Assert.Equal("digits: unchanged\n", second.Out);
        Assert.Equal("digits: changed\n  on_success: orders → none\n", less.Out);
        Assert.Equal((null, "endpoint:cleanup"), (Server.Endpoint("digits").OnSuccess, Server.Endpoint("digits").OnFailure));
        Assert.Contains("endpoints.digits.on_success: A destination's name", wrong.Error, StringComparison.Ordinal);
    }
}
