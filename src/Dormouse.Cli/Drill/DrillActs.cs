using Dormouse.Cli.Terminal;

namespace Dormouse.Cli.Drill;

/// <summary>What acts work with.</summary>
/// <param name="Receipts">Of the endpoint, as they come.</param>
/// <param name="Server">Where it is called.</param>
internal sealed record DrillParts(DrillEndpoint Endpoint, DrillCaller Caller, DrillReceipts Receipts, DrillPromises Promises, Uri Server);

/// <summary>What happens to the endpoint while it is called, act after act, again and again until the time is over.</summary>
internal sealed class DrillActs(DrillParts parts, DrillLoad load, Screen screen, TimeProvider time)
{
    private const int FromZeroCalls = 6;
    private const int BurstCalls = 40;

    /// <summary>
    /// Turns of the loop, measured at 2.4 µs of processor time each: some 2 ms, and some 10 ms so that a kill meets runs under way. The default load then
    /// takes less than half a core: a drill is about changes, and overload would only make calls late.
    /// </summary>
    private const int ShortTrips = 1_000;
    private const int LongTrips = 4_000;

    private static readonly TimeSpan ActMax = TimeSpan.FromSeconds(2);

    private readonly DrillEndpoint _endpoint = parts.Endpoint;

    /// <summary>Of one act; a short drill gets through all of them at least once.</summary>
    private TimeSpan _length;

    public int Killed { get; private set; }

    public int Cycles { get; private set; }

    /// <summary>False when there were instances and none of their processes may be killed from here.</summary>
    public bool CanKill { get; private set; } = true;

    /// <summary>Plays whole cycles, and of the last one as many acts as fit.</summary>
    public async Task PlayAsync(TimeSpan total, CancellationToken cancellationToken)
    {
        (string Name, Func<string, CancellationToken, Task> Play)[] acts =
        [
            ("from zero", FromZeroAsync),
            ("burst", BurstAsync),
            ("redeploy", (act, cancelled) => UnderLoadAsync(act, ShortTrips, _endpoint.DeployAsync, cancelled)),
            ("traffic split", (act, cancelled) => UnderLoadAsync(act, ShortTrips, _endpoint.SplitAsync, cancelled)),
            ("rollback", (act, cancelled) => UnderLoadAsync(act, ShortTrips, _endpoint.RollBackAsync, cancelled)),
            ("drain", DrainAsync),
            ("kill", (act, cancelled) => CanKill ? UnderLoadAsync(act, LongTrips, KillAsync, cancelled) : Task.CompletedTask),
            ("mirror", MirrorAsync),
            ("provisioned", new ProvisionedAct(parts.Endpoint, parts.Caller, parts.Receipts, parts.Promises, time).PlayAsync),
            ("overflow", OverflowAsync),
            ("canary", (act, cancelled) => new CanaryAct(parts.Endpoint, parts.Caller, parts.Promises, screen, time).PlayAsync(act, (change, inner) => UnderLoadAsync(act, ShortTrips, change, inner), cancelled)),
            ("handover", (act, cancelled) => new HandoverAct(parts.Endpoint, parts.Caller, parts.Promises, time).PlayAsync(act, (change, inner) => UnderLoadAsync(act, ShortTrips, change, inner), cancelled)),
        ];
        var start = time.GetTimestamp();
        // Falling to zero takes a second of its own.
        _length = TimeSpan.FromTicks(Math.Min(ActMax.Ticks, total.Ticks / (acts.Length + 1)));
        while (Cycles == 0 || time.GetElapsedTime(start) < total)
        {
            screen.Note($"cycle {Cycles + 1}: {string.Join(", ", acts.Select(a => a.Name))} …");
            foreach (var (name, play) in acts)
            {
                if (Cycles == 0 || time.GetElapsedTime(start) < total)
                {
                    await play(name, cancellationToken);
                }
            }

            Cycles++;
        }
    }

    private async Task FromZeroAsync(string act, CancellationToken cancellationToken)
    {
        await _endpoint.UntilZeroAsync(cancellationToken);
        await load.BurstAsync(act, FromZeroCalls, ShortTrips, cancellationToken);
    }

    /// <summary>Bursts with pauses, all within the act's time.</summary>
    private async Task BurstAsync(string act, CancellationToken cancellationToken)
    {
        for (var i = 0; i < 2; i++)
        {
            await load.BurstAsync(act, BurstCalls, LongTrips, cancellationToken);
            await Task.Delay(_length / 4, time, cancellationToken);
        }
    }

    /// <summary>The server answers a stop, in the middle of the load, when the instances that were there have finished and are gone.</summary>
    private Task DrainAsync(string act, CancellationToken cancellationToken) =>
        UnderLoadAsync(act, LongTrips, _endpoint.StopAsync, cancellationToken);

    private Task MirrorAsync(string act, CancellationToken cancellationToken) => new MirrorAct(parts.Endpoint, parts.Receipts, parts.Promises, time).PlayAsync(
        act,
        async cancelled =>
        {
            int Answered() => parts.Caller.Tally.Acts().Where(a => a.Act == act).Sum(a => a.Right + a.Late + a.Wrong);
            var before = Answered();
            await UnderLoadAsync(act, ShortTrips, _ => Task.CompletedTask, cancelled);
            return Answered() - before;
        },
        cancellationToken);

    private Task OverflowAsync(string act, CancellationToken cancellationToken) => new OverflowAct(parts.Endpoint, parts.Caller, parts.Receipts, parts.Promises, parts.Server).PlayAsync(
        act, cancelled => load.BurstAsync(act, BurstCalls, LongTrips, cancelled), cancellationToken);

    private async Task KillAsync(CancellationToken cancellationToken)
    {
        for (var i = 0; i < 2; i++)
        {
            var (killed, seen) = await _endpoint.KillAsync(cancellationToken);
            Killed += killed;
            if (killed == 0 && seen > 0 && Killed == 0)
            {
                CanKill = false;
                return;
            }

            await Task.Delay(_length / 4, time, cancellationToken);
        }
    }

    /// <summary>Changes the endpoint in the middle of a steady load.</summary>
    private async Task UnderLoadAsync(string act, int trips, Func<CancellationToken, Task> change, CancellationToken cancellationToken)
    {
        using var over = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var calls = load.SteadyAsync(act, trips, over.Token, cancellationToken);
        try
        {
            await Task.Delay(_length / 3, time, cancellationToken);
            await change(cancellationToken);
            await Task.Delay(_length / 3, time, cancellationToken);
        }
        finally
        {
            await over.CancelAsync();
            await calls;
        }
    }
}
