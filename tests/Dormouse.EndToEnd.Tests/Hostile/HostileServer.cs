using Dormouse.EndToEnd.Tests.Inference;
using Dormouse.EndToEnd.Tests.Running;

namespace Dormouse.EndToEnd.Tests.Hostile;

/// <summary>One server under attack, with a healthy endpoint beside what is attacked.</summary>
public sealed class HostileServer : IAsyncLifetime
{
    private RunningServer? _server;
    private double[] _right = [];

    internal RunningServer Server => _server ?? throw new InvalidOperationException("The server has not started.");

    public async ValueTask InitializeAsync()
    {
        _server = await RunningServer.StartAsync(CancellationToken.None);
        _right = await DeployNeighbourAsync(_server, CancellationToken.None);
    }

    public async ValueTask DisposeAsync()
    {
        if (_server is not null)
        {
            await _server.DisposeAsync();
            Directory.Delete(_server.Data, recursive: true);
        }
    }

    internal Task AssertUnharmedAsync(CancellationToken cancellationToken) => AssertUnharmedAsync(Server, _right, cancellationToken);

    /// <summary>Makes the healthy endpoint; returns what it answers.</summary>
    internal static async Task<double[]> DeployNeighbourAsync(RunningServer server, CancellationToken cancellationToken)
    {
        await Digits.DeployAsync(server, "neighbour", cancellationToken, new() { ["idle_timeout"] = "10m" });
        return await AskNeighbourAsync(server, cancellationToken);
    }

    /// <summary>What must hold after everything that a caller can do: the server runs and a neighbour is answered right.</summary>
    internal static async Task AssertUnharmedAsync(RunningServer server, double[] right, CancellationToken cancellationToken)
    {
        Assert.True(Processes.Exists(server.ProcessId), $"The server has ended: {server.Output}");
        TensorAssert.Close(right, await AskNeighbourAsync(server, cancellationToken), 1e-5, 1e-5, "the neighbour's scores");
    }

    private static async Task<double[]> AskNeighbourAsync(RunningServer server, CancellationToken cancellationToken) =>
        (await InferCall.SendAsync(server, "neighbour", [Digits.Input(7)], binary: true, cancellationToken))["scores"].Doubles();
}
