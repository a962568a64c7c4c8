using System.Net;
using Dormouse.Protocol.Problems;
using Dormouse.Server.Tests.Fakes;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;

namespace Dormouse.Server.Tests.Errors;

public sealed class ProblemTests
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("GET", "/")]
    [InlineData("GET", "/api/v1")]
    [InlineData("GET", "/api/v1/nothing")]
    [InlineData("POST", "/api/v2/endpoints")]
    [InlineData("GET", "/api/v1/endpoints/a/b/c/d")]
    public async Task An_address_that_does_not_exist_is_a_problem(string method, string path)
    {
        await using var server = await ControlServer.StartAsync();

        using var response = await server.Admin.SendAsync(new HttpRequestMessage(new HttpMethod(method), path), Cancellation);

        await ControlServer.ProblemAsync(response, ProblemCode.RouteNotFound);
    }

    [Theory]
    [InlineData("PUT", "/api/v1/endpoints", "GET")]
    [InlineData("GET", "/api/v1/endpoints/a/traffic", "PUT")]
    [InlineData("PUT", "/api/v1/endpoints/a/revisions", "GET, POST")]
    [InlineData("DELETE", "/health", "GET, HEAD")]
    [InlineData("POST", "/api/v1/version", "GET")]
    public async Task A_wrong_method_names_those_that_work(string method, string path, string allowed)
    {
        await using var server = await ControlServer.StartAsync();

        using var response = await server.Admin.SendAsync(new HttpRequestMessage(new HttpMethod(method), path), Cancellation);

        await ControlServer.ProblemAsync(response, ProblemCode.MethodNotAllowed);
        Assert.Equal(allowed.Split(", ").Order(), response.Content.Headers.Allow.Order());
    }

    [Fact]
    public async Task What_fails_inside_is_told_without_secrets()
    {
        await using var server = await ControlServer.StartAsync(
            app => app.MapMethods("/boom", ["GET"], (HttpContext _) => throw new InvalidOperationException("secret at /root/data")));

        using var response = await server.Admin.GetAsync("/boom", Cancellation);

        var problem = await ControlServer.ProblemAsync(response, ProblemCode.Internal);
        Assert.DoesNotContain("secret", problem.Detail, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(413, "Request body too large.", "body_too_large")]
    [InlineData(408, "Reading the request body timed out.", "body_too_slow")]
    [InlineData(400, "Unexpected end of request content.", "body_incomplete")]
    [InlineData(400, "Malformed request: invalid headers.", "request_invalid")]
    public async Task What_the_http_server_refuses_is_a_problem_too(int status, string message, string code)
    {
        await using var server = await ControlServer.StartAsync(
            app => app.MapMethods("/boom", ["GET"], (HttpContext _) => throw new BadHttpRequestException(message, status)));

        using var response = await server.Admin.GetAsync("/boom", Cancellation);

        await ControlServer.ProblemAsync(response, ProblemCode.All[code]);
    }

    [Fact]
    public async Task A_full_disk_is_said_to_be_one()
    {
        await using var server = await ControlServer.StartAsync(
            app => app.MapMethods("/boom", ["GET"], (HttpContext _) => throw new Storage.StorageFullException()));

        using var response = await server.Admin.GetAsync("/boom", Cancellation);

        await ControlServer.ProblemAsync(response, ProblemCode.StorageFull);
    }

    [Fact]
    public async Task An_answer_that_broke_half_way_does_not_look_whole()
    {
        await using var server = await ControlServer.StartAsync(app => app.MapMethods("/boom", ["GET"], async (HttpContext context) =>
        {
            await context.Response.WriteAsync("half", context.RequestAborted);
            await context.Response.Body.FlushAsync(context.RequestAborted);
            throw new InvalidOperationException("then it broke");
        }));

        using var response = await server.Admin.GetAsync("/boom", HttpCompletionOption.ResponseHeadersRead, Cancellation);

        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        await Assert.ThrowsAnyAsync<Exception>(() => response.Content.ReadAsStringAsync(Cancellation));
    }
}
