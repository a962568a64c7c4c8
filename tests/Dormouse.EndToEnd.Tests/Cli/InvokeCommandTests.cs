using Dormouse.EndToEnd.Tests.Running;

namespace Dormouse.EndToEnd.Tests.Cli;

public sealed class InvokeCommandTests(InvokeCommandTests.Deployed fixture) : IClassFixture<InvokeCommandTests.Deployed>
{
    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    private RunningServer Server => fixture.Server;

    [Fact]
    public async Task A_picture_gives_labels_and_says_what_it_cost()
    {
        var run = await CommandRun.DoneAsync(Server, Cancelled, "invoke", "digits", "--file", Checkout.DigitPicture("three"));

        Assert.StartsWith("3  ", run.Output, StringComparison.Ordinal);
        Assert.Contains("billed ", run.Error, StringComparison.Ordinal);
        Assert.Contains(" USD", run.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_request_can_be_given_as_text_as_file_and_on_standard_input()
    {
        using var files = new TemporaryFolder();
        var json = PlusCall.Body(5).ToJsonString();

        var text = await CommandRun.DoneAsync(Server, Cancelled, "invoke", "plus", "--json", json);
        var file = await CommandRun.DoneAsync(Server, Cancelled, "invoke", "plus", "--json", "@" + files.Write("request.json", json));
        var input = await CommandRun.WithInputAsync(Server, json, Cancelled, "invoke", "plus");

        input.AssertExit(0);
        Assert.All([text, file, input], run => Assert.Equal(15, run.Json["outputs"]![0]!["data"]![0]!.GetValue<double>()));
    }

    [Fact]
    public async Task A_revision_can_be_named()
    {
        var run = await CommandRun.DoneAsync(Server, Cancelled, "invoke", "plus", "--revision", "r1", "--json", PlusCall.Body(5).ToJsonString());

        Assert.Equal("1", run.Json["model_version"]!.GetValue<string>());
    }

    [Fact]
    public async Task Json_output_is_one_document_with_answer_and_receipt()
    {
        var run = await CommandRun.DoneAsync(Server, Cancelled, "invoke", "digits", "--file", Checkout.DigitPicture("four"), "--output", "json");

        Assert.Contains("\"label\": \"4\"", run.Output, StringComparison.Ordinal);
        Assert.Contains("\"price_pico\"", run.Output, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("plus", "{", 4)]
    [InlineData("plus", "{\"inputs\":[{\"name\":\"z\",\"shape\":[1],\"datatype\":\"FP32\",\"data\":[1]}]}", 4)]
    [InlineData("nowhere", "{\"inputs\":[]}", 3)]
    [InlineData("plus", " ", 2)]
    public async Task A_wrong_call_has_its_exit_code_and_a_sentence(string endpoint, string json, int code)
    {
        var run = await CommandRun.OfAsync(Server, Cancelled, "invoke", endpoint, "--json", json);

        run.AssertExit(code);
        Assert.StartsWith("error: ", run.Error, StringComparison.Ordinal);
        Assert.Empty(run.Output);
    }

    /// <summary>A server with the two endpoints that these tests call.</summary>
    public sealed class Deployed : IAsyncLifetime
    {
        private readonly ServerFixture _fixture = new();

        internal RunningServer Server => _fixture.Server;

        public async ValueTask InitializeAsync()
        {
            await _fixture.InitializeAsync();
            await CommandRun.DoneAsync(Server, CancellationToken.None, "deploy", Path.GetDirectoryName(Checkout.DigitsModel)!, "--name", "digits");
            await Server.DeployAsync("plus", [("model.onnx", SmallModels.Plus(10))], CancellationToken.None);
        }

        public ValueTask DisposeAsync() => _fixture.DisposeAsync();
    }
}
