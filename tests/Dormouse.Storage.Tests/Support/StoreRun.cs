using System.Collections.Immutable;
using System.Text.Json;
using Dormouse.Core.Access;
using Dormouse.Core.Dispatch;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Instances;
using Dormouse.Core.Overflow;
using Dormouse.Core.Packages;
using Dormouse.Core.Rollouts;
using Dormouse.Core.Usage;

namespace Dormouse.Storage.Tests.Support;

internal enum StepKind
{
    Deploy,
    Complete,
    SetTraffic,
    SetTag,
    SetMirror,
    DecideCanary,
    BeginHandover,
    DecideHandover,
    SetUnloaded,
    SetPublic,
    Delete,
    Append,
    AddKey,
    RemoveKey,

    /// <summary>The store is closed and opened again; the model does nothing.</summary>
    Reopen,
}

/// <summary>One generated operation; what its numbers mean depends on the kind.</summary>
internal sealed record Step(StepKind Kind, int Tenant, int Name, int Number, int Choice, long Amount);

/// <summary>Interprets steps on one store and writes down all that can be seen of it, as text that can be compared.</summary>
internal sealed class StoreRun(ICatalogue catalogue, ILedger ledger, IAccessKeys keys, CancellationToken cancellationToken)
{
    private static readonly TenantId[] Tenants = [TenantId.Default, new("team-b")];
    private static readonly string[] Names = ["digits", "faces", "a-1"];
    private static readonly Outcome[] Outcomes = Enum.GetValues<Outcome>();
    private static readonly Guid[] Servers = [CountingIds.Id(1), CountingIds.Id(2)];

    /// <summary>What the caller sees of the step.</summary>
    public async Task<string> ApplyAsync(Step step, int index)
    {
        try
        {
            return Describe(await ResultAsync(step, index));
        }
        catch (ArgumentException)
        {
            return "refused";
        }
    }

    /// <summary>Everything that the store shows.</summary>
    public async Task<string> ShowAsync()
    {
        var shown = new List<object?>();
        await foreach (var entry in catalogue.ReadAllAsync(cancellationToken))
        {
            shown.Add(entry);
            shown.Add(await catalogue.RevisionsAsync(entry.Endpoint.Id, cancellationToken));
            shown.Add(await catalogue.FindRevisionAsync(new RevisionId(entry.Endpoint.Id, 2), cancellationToken));
            shown.Add(await ledger.EndpointNameAsync(entry.Endpoint.Id, cancellationToken));
            shown.Add(await ledger.OverflowHostAsync(new RevisionId(entry.Endpoint.Id, 1), cancellationToken));
            shown.Add(await ledger.RecentAsync(entry.Endpoint.Tenant, entry.Endpoint.Id, 3, cancellationToken));
        }

        foreach (var tenant in Tenants)
        {
            shown.Add(await catalogue.ListAsync(tenant, cancellationToken));
            shown.Add(await catalogue.PageAsync(tenant, null, 1, cancellationToken));
            shown.Add(await catalogue.PageAsync(tenant, Names[0], 2, cancellationToken));
            shown.Add(await keys.ListAsync(tenant, cancellationToken));
            shown.Add(await ledger.RecentAsync(tenant, null, 20, cancellationToken));
            var page = await ledger.PageAsync(tenant, null, DateTimeOffset.UnixEpoch, Samples.Noon.AddYears(1), null, 5, cancellationToken);
            shown.Add(page);
            shown.Add(await ledger.PageAsync(tenant, Endpoint(1), Samples.Noon, Samples.Noon.AddHours(2), null, 3, cancellationToken));
            if (!page.IsEmpty)
            {
                shown.Add(await ledger.PageAsync(tenant, null, DateTimeOffset.UnixEpoch, Samples.Noon.AddYears(1), ReceiptPosition.Of(page[^1]), 5, cancellationToken));
            }

            shown.Add(await ledger.FindAsync(tenant, Invocation(3), cancellationToken));
            shown.Add(await ledger.TotalsAsync(tenant, null, DateTimeOffset.UnixEpoch, Samples.Noon.AddYears(1), cancellationToken));
            shown.Add(await ledger.TotalsAsync(tenant, Endpoint(1), Samples.Noon, Samples.Noon.AddHours(2), cancellationToken));
        }

        shown.Add(await catalogue.UnverifiedAsync(cancellationToken));
        shown.Add(await ledger.EndpointNameAsync(Endpoint(0), cancellationToken));
        shown.Add(await ledger.OverflowHostAsync(new RevisionId(Endpoint(0), 1), cancellationToken));
        shown.Add(await ledger.CheckAsync(null, cancellationToken));
        return Describe(shown);
    }

    private static string Describe(object? value) => JsonSerializer.Serialize(value);

    private static EndpointId Endpoint(int index) => new(CountingIds.Id(100 + index));

    private static InvocationId Invocation(long sequence) => new(CountingIds.Id(5_000 + sequence));

    private static string KeyId(Step step) => $"key-{step.Number}";

    private static NewRevision Revision(Step step) => Samples.Revision(Names[step.Name]) with
    {
        Tenant = Tenants[step.Tenant],
        IsPublic = (step.Choice % 3) switch { 0 => null, 1 => true, _ => false },
        State = (RevisionState)(step.Number % 3),
        Interface = step.Choice % 2 == 0 ? null : "{\"inputs\":[]}",
        Canary = step.Choice % 2 == 1 && step.Amount % 3 == 0 ? new CanaryPolicy(1 + (step.Number % 99), 20 + step.Choice, TimeSpan.FromMinutes(1 + step.Number)) : null,
        Handover = step.Choice % 2 == 0 && step.Amount % 4 == 0 ? Handover(step) : null,
        Debut = new Debut((step.Amount % 4) switch { 0 => "stable", 1 => "beta", _ => null }, step.Amount % 5 != 0),
        Package = new Package([.. Enumerable.Range(0, 1 + (step.Number % 3)).Select(i => Samples.File($"f{i}.bin", $"{step.Choice} {i}"))]),
        Spec = new RevisionSpec
        {
            Runtime = "onnx",
            MemoryMib = 16 + step.Number,
            Overflow = step.Amount % 3 == 1 ? new OverflowPolicy($"https://host{step.Number}:8443/x", 5, null, null) : null,
            Environment = step.Choice % 2 == 0 ? ImmutableSortedDictionary<string, string>.Empty : ImmutableSortedDictionary<string, string>.Empty.Add("K", "ü \"1\""),
        },
    };

    private static HandoverPolicy Handover(Step step) =>
        new(step.Choice == 0 ? null : step.Choice, TimeSpan.FromMinutes(step.Number - 1), TimeSpan.FromSeconds(10 + step.Choice));

    private static HandoverDecision DecisionOnHandover(Step step) => (step.Choice % 6) switch
    {
        0 or 1 => new HandoverDecision.Warm([new(step.Number, 1 + step.Choice), new(step.Number + 1, 2)]),
        2 => new HandoverDecision.Move([new(step.Number, 1)], "ready \"ü\""),
        3 => new HandoverDecision.Move([], "ready"),
        4 => new HandoverDecision.Fail("too slow"),
        _ => step.Amount % 2 == 0 ? HandoverDecision.LetGo.All : new HandoverDecision.End("by hand"),
    };

    private static CanaryDecision Decision(Step step) => (step.Choice % 3) switch
    {
        0 => new CanaryDecision.Continue(step.Number % 5),
        1 => new CanaryDecision.Promote("no worse \"ü\""),
        _ => new CanaryDecision.RollBack("slower"),
    };

    private static ImmutableArray<TrafficShare> Traffic(Step step) => (step.Choice % 5) switch
    {
        0 => [],
        1 => [new(step.Number, 100)],
        2 => [new(step.Number, 60), new(step.Number + 1, 40)],
        3 => [new(step.Number, 60), new(step.Number, 40)],
        _ => [new(step.Number, 99)],
    };

    private static ImmutableArray<Receipt> ReceiptsOf(Step step) =>
        [.. Enumerable.Range(0, 1 + (step.Choice % 4)).Select(i => ReceiptOf(step, (step.Number * 3) + i))];

    private static Receipt ReceiptOf(Step step, long sequence) => new()
    {
        ServerId = Servers[step.Tenant],
        Sequence = sequence,
        Invocation = Invocation(sequence),
        Tenant = Tenants[step.Tenant],
        Revision = new RevisionId(Endpoint(step.Name), 1 + step.Choice),
        Instance = step.Choice,
        StartedAt = Samples.Noon.AddTicks(10 * (step.Amount % 100_000_000_000)),
        Outcome = Outcomes[(step.Choice + (int)sequence) % Outcomes.Length],
        Status = 200 + step.Choice,
        Start = (StartKind)(step.Choice % 4),
        Cause = step.Choice % 4 == 2 ? (StartCause)(step.Number % 6) : null,
        Rung = step.Choice % 4 == 2 ? (Rung)(step.Number % 5) : null,
        RungReason = step.Choice % 4 == 2 && step.Number % 9 < 8 ? (RungReason)(step.Number % 9) : null,
        Times = new InvocationTimes(step.Number, step.Choice, sequence, step.Amount % 1_000_000_007),
        CpuMicroseconds = step.Amount % 1_000_003,
        MemoryMib = 512,
        Line = (ReceiptLine)(step.Number % 3),
        MeteredMicroseconds = step.Amount % 1_000_000_007,
        BilledMilliseconds = step.Amount >> 12,

        IsMirror = step.Choice % 2 == 1,

        // Two of these are more than 64 bits hold.
        PricePico = step.Amount,
    };

    private async Task<object?> ResultAsync(Step step, int index)
    {
        var tenant = Tenants[step.Tenant];
        var known = await catalogue.FindAsync(tenant, Names[step.Name], cancellationToken);
        var id = known?.Id ?? Endpoint(step.Choice);
        switch (step.Kind)
        {
            case StepKind.Deploy:
                return await catalogue.AddRevisionAsync(Revision(step), Endpoint(index), Samples.Noon.AddSeconds(index), cancellationToken);
            case StepKind.Complete:
                return await catalogue.CompleteRevisionAsync(
                    new RevisionId(id, step.Number), (RevisionState)(1 + (step.Choice % 2)), step.Choice % 3 == 0 ? null : new ModelLoad("{}", TimeSpan.FromMicroseconds(step.Number)), step.Choice % 2 == 0 ? null : "bad", step.Amount % 2 == 0, Samples.Noon.AddSeconds(index), cancellationToken);
            case StepKind.SetTraffic:
                return await catalogue.SetTrafficAsync(id, Traffic(step), Samples.Noon.AddSeconds(index), cancellationToken);
            case StepKind.SetTag:
                return await catalogue.SetTagAsync(id, step.Choice % 2 == 0 ? "stable" : "a-1", step.Amount % 3 == 0 ? null : step.Number, cancellationToken);
            case StepKind.SetMirror:
                return await catalogue.SetMirrorAsync(id, step.Choice == 0 ? null : new Mirror(step.Number, 1 + step.Choice, step.Choice * 1e-5), cancellationToken);
            case StepKind.DecideCanary:
                return await catalogue.ApplyCanaryAsync(new RevisionId(id, known?.Canary?.Revision ?? step.Number), Decision(step), Samples.Noon.AddSeconds(index), cancellationToken);
            case StepKind.BeginHandover:
                return await catalogue.BeginHandoverAsync(id, Traffic(step), Handover(step), Samples.Noon.AddSeconds(index), cancellationToken);
            case StepKind.DecideHandover:
                return await catalogue.ApplyHandoverAsync(id, DecisionOnHandover(step), Samples.Noon.AddSeconds(index), cancellationToken);
            case StepKind.SetUnloaded:
                return await catalogue.SetUnloadedAsync(id, step.Choice % 2 == 0, Samples.Noon.AddSeconds(index), cancellationToken);
            case StepKind.SetPublic:
                return await catalogue.SetPublicAsync(id, step.Choice % 2 == 0, cancellationToken);
            case StepKind.Delete:
                return await catalogue.DeleteAsync(id, cancellationToken);
            case StepKind.Append:
                await ledger.AppendAsync(ReceiptsOf(step), cancellationToken);
                return await ledger.FindAsync(tenant, Invocation(step.Number * 3), cancellationToken);
            case StepKind.AddKey when await keys.FindAsync(KeyId(step), cancellationToken) is { } existing:
                return existing;
            case StepKind.AddKey:
                await keys.AddAsync(new AccessKey(tenant, KeyId(step), "ci", (KeyScopes)(step.Choice % 4), [1, 2, 3], Samples.Noon.AddSeconds(index)), cancellationToken);
                return await keys.FindAsync(KeyId(step), cancellationToken);
            case StepKind.RemoveKey:
                return await keys.RemoveAsync(tenant, KeyId(step), cancellationToken);
            default:
                return null;
        }
    }
}
