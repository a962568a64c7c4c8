using Dormouse.Core.Endpoints;
using Dormouse.Core.Instances;
using Dormouse.Drivers.Launching;

namespace Dormouse.Drivers.Pool;

/// <summary>Finds out, when somebody asks, what of isolation works here that is too dear to be tried at each start: a worker is started so and ended again.</summary>
/// <param name="isolation">What the launcher found.</param>
/// <param name="begin">Starts a worker at a placement for a trial, in the inbox; null while there is no launcher. False: the server is stopping.</param>
/// <param name="kill">Ends it, if it is there, from anywhere.</param>
internal sealed class PlacementTrials(Isolation isolation, Func<PlacementTrial, Placement, Action<Worker>, bool> begin, Action<Worker> kill, TimeProvider time)
{
    /// <summary>What one may take: milliseconds, and far more on a machine that is busy otherwise, which is no reason to say that it does not work.</summary>
    private static readonly TimeSpan TimeMax = TimeSpan.FromSeconds(30);

    /// <summary>Null where there is no sandbox, which another row says.</summary>
    public async Task<ProbeResult?> NetworkAsync(CancellationToken cancellationToken)
    {
        const string Name = "network";
        if (isolation.Report is not { Works: true } report)
            return null;
        return (report.NoNetwork ?? await TryAsync(new(IsolationLevel.Sandbox, HasNetwork: true), cancellationToken)) is { } problem
            ? new(Name, Works: false, $"sandboxed instances cannot have network: outbound: {problem}")
            : new(Name, Works: true, "sandboxed instances with network: outbound reach the public internet, and never this machine");
    }

    /// <summary>Null while no launcher has said anything.</summary>
    public async Task<ProbeResult?> ContainerAsync(CancellationToken cancellationToken)
    {
        const string Name = "container";
        if (isolation.Report is not { } report)
            return null;
        return (report.NoContainer ?? await TryAsync(new(IsolationLevel.Container, HasNetwork: false), cancellationToken)) is { } problem
            ? new(Name, Works: false, $"isolation: container is refused: {problem}")
            : new(Name, Works: true, "isolation: container works: instances can be containers of an OCI runtime, with what a sandbox promises");
    }

    /// <summary>Why a worker cannot be started so, a clause; null when one was.</summary>
    private async Task<string?> TryAsync(Placement placement, CancellationToken cancellationToken)
    {
        Worker? worker = null;
        var trial = new PlacementTrial(kill);
        if (!begin(trial, placement, started => Volatile.Write(ref worker, started)))
            return "the server is stopping";
        using var deadline = new CancellationTokenSource(TimeMax, time);
        using var linked = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, deadline.Token);
        try
        {
            return await trial.Problem.WaitAsync(linked.Token);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            return $"a worker that was tried was not there within {TimeMax.TotalSeconds} s";
        }
        finally
        {
            if (!trial.Problem.IsCompleted && Volatile.Read(ref worker) is { } left)
                kill(left);
        }
    }
}
