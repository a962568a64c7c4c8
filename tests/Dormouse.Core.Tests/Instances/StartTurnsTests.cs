using CsCheck;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Instances;

namespace Dormouse.Core.Tests.Instances;

/// <summary>Whose start gets room when there is not enough: turns of tenants and endpoints, and who gives way.</summary>
public sealed class StartTurnsTests
{
    private readonly ArbiterEffects _effects = new();
    private readonly MachineArbiter _arbiter = new(new MachineLimits(1_000, 4));
    private MonotonicTime _now = new(TimeSpan.TicksPerHour);

    [Fact]
    public void Endpoints_take_turns_however_many_starts_one_asks_for()
    {
        Serve("a", 1, 1_000);
        Ask("a", 2, 1_000);
        Ask("a", 3, 1_000);
        Ask("a", 4, 1_000);
        Ask("b", 1, 1_000);
        Ask("c", 1, 1_000);

        Assert.Equal(["a2", "b1", "c1", "a3", "a4"], Served(Id("a", 1)));
    }

    [Fact]
    public void A_tenant_with_many_endpoints_gets_no_more_turns_than_one_with_one()
    {
        Serve("a", 1, 1_000);
        foreach (var endpoint in (string[])["b", "c", "d"])
        {
            Ask(endpoint, 1, 1_000, "large");
        }

        Ask("e", 1, 1_000, "small");
        Ask("e", 2, 1_000, "small");

        Assert.Equal(["b1", "e1", "c1", "e2", "d1"], Served(Id("a", 1)));
    }

    /// <summary>The bound that <see cref="MachineArbiter"/> states, for any requests in any order: before the first start of an endpoint go at most tenants × endpoints of its tenant − 1.</summary>
    [Fact]
    public void Nobody_gets_a_second_turn_while_another_waits_for_the_first() =>
        Gen.Select(Gen.Int[0, 5], Gen.Int[0, 4], Gen.Int[0, 2]).Array[1, 80].Sample(steps =>
        {
            var line = new StartLine<string>();
            var waiting = new List<(string Item, TenantId Tenant, EndpointId Endpoint)>();
            var ahead = new Dictionary<EndpointId, int>();
            var next = 0;
            foreach (var (what, endpoint, tenant) in steps)
            {
                if (what < 3)
                {
                    var one = ($"s{next++}", new TenantId($"t{tenant}"), EndpointOf($"{tenant}{endpoint}"));
                    waiting.Add(one);
                    line.Add(one.Item1, one.Item2, one.Item3);
                }
                else if (what == 3 && waiting.Count > 0)
                {
                    var leaving = waiting[endpoint % waiting.Count];
                    waiting.Remove(leaving);
                    line.Remove(leaving.Item, leaving.Tenant, leaving.Endpoint);
                }
                else if (line.First is { } first)
                {
                    var taken = waiting.Find(w => w.Item == first);
                    Assert.Equal(taken, waiting.Find(w => w.Endpoint == taken.Endpoint));
                    line.TakeFirst();
                    waiting.Remove(taken);
                    ahead.Remove(taken.Endpoint);
                    foreach (var other in waiting.Select(w => w.Endpoint).Where(e => e != taken.Endpoint).Distinct())
                    {
                        ahead[other] = ahead.GetValueOrDefault(other) + 1;
                    }
                }

                Assert.Equal(waiting.Count, line.Count);
                foreach (var gone in ahead.Keys.Where(k => !waiting.Exists(w => w.Endpoint == k)).ToList())
                {
                    ahead.Remove(gone);
                }

                // Three tenants of five endpoints are all there can be.
                Assert.All(ahead.Values, passed => Assert.InRange(passed, 0, (3 * 5) - 1));
            }
        });

    [Fact]
    public void One_that_presses_makes_a_busy_instance_give_way_and_takes_its_place()
    {
        Serve("a", 1, 1_000);
        Ask("b", 1, 600);
        After(10);

        Press("b", 1);

        Assert.Equal([Id("a", 1)], _effects.GivingWay);
        Assert.Empty(_effects.Evicted);
        Press("b", 1);
        Assert.Empty(_effects.GivingWay);
        Do(() => _arbiter.Released(Id("a", 1), _now, _effects));
        Assert.Equal([Id("b", 1)], _effects.Admitted);
    }

    [Fact]
    public void Nobody_gives_way_before_it_has_served_for_a_turn_so_that_places_change_once_a_turn()
    {
        Ask("b", 1, 1_000);
        Do(() => _arbiter.StartEnded(Id("b", 1), _now, _effects));
        Ask("c", 1, 1_000);
        After(9.9);
        Press("c", 1);
        Assert.Empty(_effects.GivingWay);

        After(0.1);
        Press("c", 1);

        Assert.Equal([Id("b", 1)], _effects.GivingWay);
    }

    [Fact]
    public void One_that_presses_passes_those_that_do_not()
    {
        Serve("a", 1, 1_000);
        Ask("a", 2, 1_000);
        Ask("b", 1, 1_000);
        After(10);

        Press("b", 1);
        Do(() => _arbiter.Released(Id("a", 1), _now, _effects));

        Assert.Equal([Id("b", 1)], _effects.Admitted);
    }

    [Fact]
    public void The_endpoint_that_holds_most_gives_and_idle_ones_go_first()
    {
        Serve("a", 1, 200);
        Serve("a", 2, 200);
        Serve("b", 1, 300);
        Serve("c", 1, 300);
        Do(() => _arbiter.Idle(Id("c", 1), 1, _now, _effects));
        Ask("d", 1, 500);
        After(10);

        Press("d", 1);

        Assert.Equal([Id("c", 1)], _effects.Evicted);
        Assert.Equal([Id("a", 1)], _effects.GivingWay);
    }

    [Fact]
    public void Nobody_gives_way_in_vain_nor_twice_when_its_engine_keeps_it()
    {
        Serve("a", 1, 500);
        Serve("b", 1, 500);
        Ask("c", 1, 600);
        After(10);
        Press("c", 1);
        Assert.Equal([Id("a", 1), Id("b", 1)], _effects.GivingWay);

        // Both are kept by their engines, as provisioned instances are.
        Do(() => _arbiter.Busy(Id("a", 1), _now, _effects));
        Do(() => _arbiter.Busy(Id("b", 1), _now, _effects));
        Press("c", 1);

        Assert.Empty(_effects.GivingWay);
    }

    [Fact]
    public void Whoever_does_not_wait_cannot_press()
    {
        Serve("a", 1, 1_000);
        After(10);

        Press("a", 1);
        Press("b", 1);

        Assert.Empty(_effects.GivingWay);
        Assert.Equal(0, _arbiter.WaitingCount);
    }

    private static EndpointId EndpointOf(string name) => new(new Guid(name[0], (short)(name.Length > 1 ? name[1] : 0), 0, 0, 0, 0, 0, 0, 0, 0, 0));

    private static InstanceId Id(string endpoint, int number) => new(new RevisionId(EndpointOf(endpoint), 1), number);

    private void After(double seconds) => _now += TimeSpan.FromSeconds(seconds);

    private void Do(Action act)
    {
        _effects.Clear();
        act();
    }

    private void Ask(string endpoint, int number, int memoryMib, string tenant = "default") =>
        Do(() => _arbiter.Request(Id(endpoint, number), new TenantId(tenant), new InstanceNeed(memoryMib), _now, _effects));

    private void Serve(string endpoint, int number, int memoryMib)
    {
        Ask(endpoint, number, memoryMib);
        Assert.Equal([Id(endpoint, number)], _effects.Admitted);
        Do(() => _arbiter.StartEnded(Id(endpoint, number), _now, _effects));
    }

    private void Press(string endpoint, int number) => Do(() => _arbiter.Press(Id(endpoint, number), _now, _effects));

    /// <summary>The machine has room for one: it goes, the next comes, and so on.</summary>
    private List<string> Served(InstanceId first)
    {
        var order = new List<string>();
        for (var last = first; ;)
        {
            Do(() => _arbiter.Released(last, _now, _effects));
            if (_effects.Admitted.Count == 0)
            {
                return order;
            }

            last = Assert.Single(_effects.Admitted);
            order.Add($"{(char)BitConverter.ToInt32(last.Revision.Endpoint.Value.ToByteArray())}{last.Number}");
        }
    }
}
