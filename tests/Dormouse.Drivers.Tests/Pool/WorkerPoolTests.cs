using Dormouse.Core.Instances;
using Dormouse.Drivers.Launching;
using Dormouse.Drivers.Pool;
using Dormouse.Protocol.Launching;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;

namespace Dormouse.Drivers.Tests.Pool;

public sealed class WorkerPoolTests
{
    private readonly FakeTimeProvider _time = new();
    private readonly List<Worker> _spawned = [];
    private readonly List<Worker> _killed = [];

    [Fact]
    public void It_is_filled_one_worker_at_a_time()
    {
        using var pool = OpenPool(size: 2);

        Assert.Single(_spawned);
        SayHello(0);
        Assert.Equal(2, _spawned.Count);
        SayHello(1);
        Assert.Equal(2, _spawned.Count);
        Assert.Equal(2, pool.ReadyCount);
    }

    [Fact]
    public void A_ready_worker_is_given_at_once_and_replaced_only_when_the_start_and_its_first_call_have_ended()
    {
        using var pool = OpenPool(size: 1);
        SayHello(0);
        var claim = new Claim();

        pool.Take(claim);
        Assert.Equal((_spawned[0], Rung.Pool), claim.Got);
        Assert.Single(_spawned);

        pool.StartEnded();
        Assert.Single(_spawned);
        _time.Advance(WorkerPool.FirstCallTime);
        Assert.Equal(2, _spawned.Count);
    }

    [Fact]
    public void A_start_that_takes_long_does_not_keep_the_pool_empty()
    {
        using var pool = OpenPool(size: 1);
        SayHello(0);
        pool.Take(new Claim());

        _time.Advance(WorkerPool.RefillDelayMax);

        Assert.Equal(2, _spawned.Count);
    }

    [Fact]
    public void Without_a_ready_worker_a_start_gets_the_first_that_says_hello()
    {
        using var pool = OpenPool(size: 0);
        var claim = new Claim();

        pool.Take(claim);
        Assert.Null(claim.Got);
        SayHello(0);

        Assert.Equal((_spawned[0], Rung.None), claim.Got);
    }

    [Fact]
    public void A_burst_of_starts_spawns_a_bounded_number_at_once_and_serves_in_order()
    {
        using var pool = OpenPool(size: 0);
        var claims = Enumerable.Range(0, 5).Select(_ => new Claim()).ToArray();

        foreach (var claim in claims)
            pool.Take(claim);
        Assert.Equal(2, _spawned.Count);
        for (var i = 0; i < 5; i++)
            SayHello(i);

        Assert.Equal(5, _spawned.Count);
        Assert.Equal(_spawned, claims.Select(claim => claim.Got?.Worker));
    }

    [Fact]
    public void Workers_that_die_are_replaced_more_slowly_each_time()
    {
        using var pool = OpenPool(size: 1);

        Exit(0);
        Assert.Single(_spawned);
        _time.Advance(WorkerPool.FirstBackOff);
        Assert.Equal(2, _spawned.Count);
        Exit(1);
        _time.Advance(WorkerPool.FirstBackOff);
        Assert.Equal(2, _spawned.Count);
        _time.Advance(WorkerPool.FirstBackOff);
        Assert.Equal(3, _spawned.Count);
    }

    [Fact]
    public void A_worker_that_dies_by_itself_denies_the_first_start_that_waits()
    {
        using var pool = OpenPool(size: 0);
        var first = new Claim();
        var second = new Claim();
        pool.Take(first);
        pool.Take(second);

        Exit(0, code: 7);

        Assert.Contains("exit code 7", first.Reason, StringComparison.Ordinal);
        Assert.Null(second.Reason);
    }

    [Fact]
    public void Workers_that_someone_kills_are_replaced_for_the_start_that_waits_but_not_for_ever()
    {
        using var pool = OpenPool(size: 0);
        var claim = new Claim();
        pool.Take(claim);

        for (var killed = 0; killed < WorkerPool.DeathsMax; killed++)
            Exit(killed, signal: 9);
        Assert.Null(claim.Reason);
        _time.Advance(WorkerPool.DyingTimeMax);
        Exit(WorkerPool.DeathsMax, signal: 9);

        Assert.Contains("signal 9", claim.Reason, StringComparison.Ordinal);
    }

    [Fact]
    public void After_many_kills_in_a_row_workers_are_started_at_the_pace_of_the_back_off()
    {
        using var pool = OpenPool(size: 0);
        pool.Take(new Claim());
        for (var killed = 0; killed <= WorkerPool.DeathsMax; killed++)
            Exit(killed, signal: 9);
        var before = _spawned.Count;

        _time.Advance(WorkerPool.FirstBackOff);

        Assert.Equal(WorkerPool.DeathsMax + 1, before);
        Assert.Equal(before + 2, _spawned.Count);
    }

    [Fact]
    public void A_start_that_someone_took_the_worker_from_has_a_second_one_started_beside_the_next()
    {
        using var pool = OpenPool(size: 0);

        pool.Take(new Claim { WasRobbed = true });

        Assert.Equal(2, _spawned.Count);
    }

    [Fact]
    public void A_withdrawn_start_gets_nothing_and_its_worker_stays_for_the_pool()
    {
        using var pool = OpenPool(size: 1);
        var claim = new Claim();
        pool.Take(claim);

        Assert.True(pool.Withdraw(claim));
        SayHello(0);

        Assert.Null(claim.Got);
        Assert.Equal(1, pool.ReadyCount);
    }

    [Fact]
    public void A_lost_launcher_empties_the_pool_and_the_next_fills_it()
    {
        using var pool = OpenPool(size: 1);
        SayHello(0);

        pool.LauncherLost(_spawned[0]);
        Assert.Equal(0, pool.ReadyCount);
        pool.Open();

        Assert.Equal(2, _spawned.Count);
    }

    [Fact]
    public void A_pool_grows_when_it_is_asked_to_and_refuses_with_the_reason_when_there_can_be_no_workers()
    {
        using var pool = OpenPool(size: 0);
        Assert.Empty(_spawned);
        pool.Size = 1;
        Assert.Single(_spawned);

        pool.Refusal = "no python3";
        var claim = new Claim();
        pool.Take(claim);

        Assert.Equal("no python3", claim.Reason);
    }

    [Fact]
    public void A_pool_is_given_up_with_its_idle_workers_but_not_under_somebody_who_waits()
    {
        using var pool = OpenPool(size: 1);
        SayHello(0);
        pool.Take(new Claim());
        Assert.False(pool.TryClose());
        pool.StartEnded();
        _time.Advance(WorkerPool.FirstCallTime);
        SayHello(1);

        Assert.True(pool.TryClose());

        Assert.Equal([_spawned[1]], _killed);
        Exit(1, signal: 9);
        _time.Advance(WorkerPool.LongestBackOff);
        Assert.Equal(2, _spawned.Count);
    }

    private WorkerPool OpenPool(int size)
    {
        var options = new ProcessDriverOptions { LauncherPath = "", WorkerPath = "", RunFolder = "", CgroupName = "", PoolSize = size };
        var pool = new WorkerPool(options, Spawn, _killed.Add, work => work(), _time, NullLogger.Instance);
        pool.Open();
        return pool;
    }

    private Worker Spawn(IWorkerOwner owner, WorkerLimits limits)
    {
        var worker = new Worker(_spawned.Count, "", owner);
        _spawned.Add(worker);
        return worker;
    }

    private void SayHello(int worker) => _spawned[worker].Owner.Said(_spawned[worker], new WorkerHello("fake-1", "jit"));

    private void Exit(int worker, int? code = null, int? signal = null) =>
        _spawned[worker].Owner.Exited(_spawned[worker], new(worker, code, signal, OutOfMemory: false, 0, 0));

    private sealed class Claim : IWorkerClaim
    {
        public bool WasRobbed { get; init; }

        public (Worker Worker, Rung Rung)? Got { get; private set; }

        public string? Reason { get; private set; }

        public void Granted(Worker worker, Rung rung) => Got = (worker, rung);

        public void Denied(string reason) => Reason = reason;
    }
}
