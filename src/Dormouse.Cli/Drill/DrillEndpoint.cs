using System.Collections.Immutable;
using System.Globalization;
using System.Security.Cryptography;
using Dormouse.Cli.Connection;
using Dormouse.Cli.Deploy;
using Dormouse.Cli.Terminal;
using Dormouse.Client;
using Dormouse.Core.Endpoints;
using Dormouse.Protocol.Control;

namespace Dormouse.Cli.Drill;

/// <summary>The throw-away endpoint: every change of it is written into the traffic's history before and after.</summary>
internal sealed class DrillEndpoint(Session session, TrafficHistory traffic) : IAsyncDisposable
{
    private const int InstancesMax = 4;
    private static readonly TimeSpan ZeroLimit = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan LookAgain = TimeSpan.FromMilliseconds(50);
    private static readonly TimeSpan DeleteLimit = TimeSpan.FromSeconds(30);

    /// <summary>How long an instance is kept that nobody calls.</summary>
    public static readonly TimeSpan IdleTimeout = TimeSpan.FromSeconds(1);

    /// <summary>Of a usual revision.</summary>
    public static readonly RevisionSettings Settings = new()
    {
        Memory = "128MiB",
        Cpu = 1,
        Concurrency = 1,
        MaxInstances = InstancesMax,
        IdleTimeout = Durations.Format(IdleTimeout),
    };

    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("dormouse-drill-");

    /// <summary>Numbers of the revisions that have <see cref="Settings"/>: acts that need others leave theirs behind without traffic.</summary>
    private readonly List<int> _usual = [];
    private bool _mayExist;

    public string Name { get; } = "drill-" + RandomNumberGenerator.GetHexString(8, lowercase: true);

    /// <summary>Number of the newest one; 0 = none.</summary>
    public int Revisions { get; private set; }

    private TimeProvider Time => session.Surroundings.Time;

    /// <summary>Makes the next usual revision, which takes all traffic.</summary>
    public async Task DeployAsync(CancellationToken cancellationToken)
    {
        await DeployAsync(Settings, cancellationToken);
        _usual.Add(Revisions);
    }

    /// <summary>The same with other settings.</summary>
    public Task DeployAsync(RevisionSettings settings, CancellationToken cancellationToken) =>
        DeployAsync(settings, DebutSettings.Usual, [Revisions + 1], isSlow: false, cancellationToken);

    /// <summary>Makes the next revision the canary of the newest usual one; who wins is seen by <see cref="InfoAsync"/> and told to <see cref="RolloutEnded"/>.</summary>
    /// <param name="isSlow">It takes ten times as long.</param>
    public Task BeginCanaryAsync(bool isSlow, CancellationToken cancellationToken) =>
        DeployAsync(Settings, DebutSettings.Usual with { Canary = new CanarySettings(50, 20, "1m") }, [NewestUsual, Revisions + 1], isSlow, cancellationToken);

    /// <summary>Makes the next revision, to which the newest usual one is handed over when it is warm; see <see cref="BeginCanaryAsync"/>.</summary>
    public Task BeginHandoverAsync(CancellationToken cancellationToken) =>
        DeployAsync(Settings, DebutSettings.Usual with { Handover = new HandoverSettings(1, "30s", "1m") }, [NewestUsual, Revisions + 1], isSlow: false, cancellationToken);

    /// <summary>A rollout was decided by itself: this revision has all traffic.</summary>
    /// <param name="isUsual">It is a new one with <see cref="Settings"/>.</param>
    public void RolloutEnded(int winner, bool isUsual)
    {
        traffic.Changing([winner], Time.GetTimestamp());
        traffic.Changed(Time.GetTimestamp());
        if (isUsual)
        {
            _usual.Add(winner);
        }
    }

    private async Task DeployAsync(RevisionSettings settings, DebutSettings debut, ImmutableArray<int> mayAnswer, bool isSlow, CancellationToken cancellationToken)
    {
        var number = Revisions + 1;
        var file = Path.Combine(_folder.FullName, $"{number}.onnx");
        await File.WriteAllBytesAsync(file, DrillModel.File(number, isSlow), cancellationToken);
        var deployer = new Deployer(session);
        var version = await deployer.HashAsync(new SourceVersion(null, [new SourceFile("model.onnx", file)]), cancellationToken);
        _mayExist = true;
        await ChangeAsync(mayAnswer, async () =>
        {
            var deployed = await deployer.DeployAsync(Name, version, settings, debut, verify: true, wait: true, cancellationToken);
            Revisions = deployed.Revision.Number;
        });
        if (Revisions != number)
        {
            throw CommandException.Failed("drill_disturbed", $"Somebody else deploys to {Name}: r{Revisions} was made where r{number} was to come.");
        }
    }

    /// <summary>Half of the traffic to each of the two newest usual revisions.</summary>
    public Task SplitAsync(CancellationToken cancellationToken) => ChangeAsync(
        [_usual[^2], _usual[^1]],
        () => session.Client.Endpoints.SetTrafficAsync(
            Name, ImmutableSortedDictionary<string, int>.Empty.Add(NameOf(_usual[^2]), 50).Add(NameOf(_usual[^1]), 50), cancellationToken));

    /// <summary>All traffic to the usual revision before the newest.</summary>
    public Task RollBackAsync(CancellationToken cancellationToken) => ChangeAsync(
        [_usual[^2]], () => session.Client.Endpoints.RollbackAsync(Name, NameOf(_usual[^2]), cancellationToken));

    /// <summary>All traffic to the newest usual revision.</summary>
    public Task BackToUsualAsync(CancellationToken cancellationToken) => ChangeAsync(
        [_usual[^1]],
        () => session.Client.Endpoints.SetTrafficAsync(Name, ImmutableSortedDictionary<string, int>.Empty.Add(NameOf(_usual[^1]), 100), cancellationToken));

    /// <summary>Copies every call to the newest usual revision; the one before it is to have the traffic. Sums of two revisions differ by less than a mirror forgives unless told not to.</summary>
    public Task MirrorAsync(CancellationToken cancellationToken) =>
        session.Client.Endpoints.SetMirrorAsync(Name, new MirrorRequest(NameOf(_usual[^1]), 100, Tolerance: 0), cancellationToken);

    public Task EndMirrorAsync(CancellationToken cancellationToken) => session.Client.Endpoints.DeleteMirrorAsync(Name, cancellationToken);

    /// <summary>Null when nothing is mirrored.</summary>
    public async Task<MirrorInfo?> MirrorInfoAsync(CancellationToken cancellationToken) => (await session.Client.Endpoints.GetAsync(Name, cancellationToken)).Mirror;

    /// <summary>Number of the newest usual revision.</summary>
    public int NewestUsual => _usual[^1];

    public Task<EndpointInfo> InfoAsync(CancellationToken cancellationToken) => session.Client.Endpoints.GetAsync(Name, cancellationToken);

    public async Task<ImmutableArray<InstanceInfo>> InstancesAsync(CancellationToken cancellationToken) =>
        (await session.Client.Endpoints.GetAsync(Name, cancellationToken)).Instances;

    public Task StopAsync(CancellationToken cancellationToken) => session.Client.Endpoints.StopAsync(Name, cancellationToken);

    /// <summary>Kills every instance's process.</summary>
    /// <returns>How many were killed; how many there were.</returns>
    public async Task<(int Killed, int Seen)> KillAsync(CancellationToken cancellationToken)
    {
        var instances = (await session.Client.Endpoints.GetAsync(Name, cancellationToken)).Instances;
        return (instances.Count(i => i.ProcessId is { } process && InstanceProcess.Kill(process)), instances.Length);
    }

    /// <summary>Returns when nothing of the endpoint runs any more.</summary>
    public async Task UntilZeroAsync(CancellationToken cancellationToken)
    {
        var start = Time.GetTimestamp();
        while ((await session.Client.Endpoints.GetAsync(Name, cancellationToken)).Instances is { IsEmpty: false } left)
        {
            if (Time.GetElapsedTime(start) > ZeroLimit)
            {
                throw CommandException.Failed("not_idle", $"{Name} still has {left.Length} instance(s) after {Units.Number(ZeroLimit.TotalSeconds)} s without a call.");
            }

            await Task.Delay(LookAgain, Time, cancellationToken);
        }
    }

    /// <summary>Deletes it, also after a deploy that failed and when the drill was interrupted.</summary>
    public async ValueTask DisposeAsync()
    {
        _folder.Delete(recursive: true);
        if (!_mayExist)
        {
            return;
        }

        using var limit = new CancellationTokenSource(DeleteLimit, Time);
        try
        {
            await session.Client.Endpoints.DeleteAsync(Name, limit.Token);
        }
        catch (DormouseException e) when (e.IsNotFound)
        {
            // The first deploy did not come so far.
        }
        catch (Exception e) when (e is DormouseException or OperationCanceledException)
        {
            session.Screen.Warn($"{Name} could not be deleted: {e.Message} 'dormouse delete {Name} --yes' does it.");
        }
    }

    public static string NameOf(int revision) => "r" + revision.ToString(CultureInfo.InvariantCulture);

    private async Task ChangeAsync(ImmutableArray<int> revisions, Func<Task> change)
    {
        traffic.Changing(revisions, Time.GetTimestamp());
        await change();
        traffic.Changed(Time.GetTimestamp());
    }
}
