using System.Collections.Concurrent;
using System.Text.Json.Nodes;
using Dormouse.EndToEnd.Tests.Running;

namespace Dormouse.EndToEnd.Tests.Revisions;

/// <summary>Traffic moves between revisions while callers call: odd revisions add 1, even ones add 2.</summary>
public sealed class SwitchTests(ServerFixture fixture) : IClassFixture<ServerFixture>
{
    private const int Callers = 4;

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    private RunningServer Server => fixture.Server;

    [Fact]
    public async Task Deploying_again_twenty_times_under_load_loses_and_mistakes_nothing()
    {
        await DeployAsync("switched", 1);

        var answers = await UnderLoadAsync("switched", async () =>
        {
            for (var number = 2; number <= 22; number++)
            {
                await DeployAsync("switched", number);
                await AnsweredByAsync("switched", number);
            }
        });

        AssertRight(answers);
        Assert.Equal(22, answers.Select(a => a.Version).Distinct().Count());
    }

    [Fact]
    public async Task Rolling_back_under_load_loses_and_mistakes_nothing()
    {
        await DeployAsync("rolled", 1);
        await DeployAsync("rolled", 2);

        var answers = await UnderLoadAsync("rolled", async () =>
        {
            for (var round = 0; round < 10; round++)
            {
                using var response = await Server.PostAsync("/api/v1/endpoints/rolled/rollback", new JsonObject { ["revision"] = round % 2 == 0 ? "r1" : "r2" }, Cancelled);
                Assert.True(response.IsSuccessStatusCode, await response.Content.ReadAsStringAsync(Cancelled));
                await AnsweredByAsync("rolled", (round % 2) + 1);
            }
        });

        AssertRight(answers);
        Assert.Equal([1, 2], answers.Select(a => a.Version).Distinct().Order());
    }

    [Fact]
    public async Task Traffic_follows_the_weights()
    {
        await DeployAsync("shared", 1);
        await DeployAsync("shared", 2);
        using var body = new StringContent("""{"traffic":{"r1":90,"r2":10}}""", System.Text.Encoding.UTF8, "application/json");
        using var set = await Server.Http.PutAsync(new Uri("/api/v1/endpoints/shared/traffic", UriKind.Relative), body, Cancelled);
        Assert.True(set.IsSuccessStatusCode, await set.Content.ReadAsStringAsync(Cancelled));

        var answers = new List<(int X, int Version, double Value)>();
        for (var i = 0; i < 400; i++)
        {
            var call = await PlusCall.SendAsync(Server, "shared", i, Cancelled);
            answers.Add((i, call.Version, call.Value));
        }

        AssertRight(answers);
        // 40 are expected of 400; six deviations of a fair draw are 36.
        Assert.InRange(answers.Count(a => a.Version == 2), 4, 76);
    }

    private static void AssertRight(IReadOnlyCollection<(int X, int Version, double Value)> answers) =>
        Assert.All(answers, a => Assert.True(a.Value == a.X + (a.Version % 2 == 1 ? 1 : 2), $"{a.X} sent, revision {a.Version} answered {a.Value}"));

    private Task<JsonNode> DeployAsync(string endpoint, int number) =>
        Server.DeployAsync(endpoint, [("model.onnx", SmallModels.Plus(number % 2 == 1 ? 1 : 2))], Cancelled);

    /// <summary>One call of ours is answered by this revision: traffic has moved.</summary>
    private Task AnsweredByAsync(string endpoint, int number) =>
        Waiting.UntilAsync(async () => (await PlusCall.SendAsync(Server, endpoint, 0, Cancelled)).Version == number, $"r{number} answers", Cancelled);

    /// <summary>Every call must be answered; returns what was sent, who answered and what.</summary>
    private async Task<IReadOnlyCollection<(int X, int Version, double Value)>> UnderLoadAsync(string endpoint, Func<Task> changes)
    {
        using var over = new CancellationTokenSource();
        var answers = new ConcurrentQueue<(int, int, double)>();
        var callers = Enumerable.Range(0, Callers).Select(caller => Task.Run(async () =>
        {
            for (var x = caller; !over.IsCancellationRequested; x += Callers)
            {
                var call = await PlusCall.SendAsync(Server, endpoint, x, Cancelled);
                answers.Enqueue((x, call.Version, call.Value));
            }
        }, Cancelled)).ToArray();
        try
        {
            await changes();
        }
        finally
        {
            await over.CancelAsync();
        }

        await Task.WhenAll(callers);
        TestContext.Current.TestOutputHelper?.WriteLine($"{answers.Count} answered");
        return answers;
    }
}
