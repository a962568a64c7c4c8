using CsCheck;
using Dormouse.Storage.Postgres;
using Dormouse.Storage.Tests.Support;

namespace Dormouse.Storage.Tests;

/// <summary>What every store must do: answer each generated operation as the in-memory model does, and show the same afterwards.</summary>
public abstract class StoreSuite
{
    private static readonly Gen<Step> Steps = Gen.Select(
        Gen.Frequency(
            (6, Gen.Const(StepKind.Deploy)),
            (5, Gen.Const(StepKind.Complete)),
            (5, Gen.Const(StepKind.SetTraffic)),
            (6, Gen.Const(StepKind.Append)),
            (2, Gen.Const(StepKind.SetTag)),
            (2, Gen.Const(StepKind.SetMirror)),
            (2, Gen.Const(StepKind.DecideCanary)),
            (2, Gen.Const(StepKind.BeginHandover)),
            (4, Gen.Const(StepKind.DecideHandover)),
            (4, Gen.OneOf(StepKind.SetUnloaded, StepKind.SetPublic, StepKind.Delete, StepKind.AddKey, StepKind.RemoveKey, StepKind.Reopen))),
        Gen.Int[0, 1],
        Gen.Int[0, 2],
        Gen.Int[1, 4],
        Gen.Int[0, 5],
        Gen.Long[0, long.MaxValue >> 1],
        (kind, tenant, name, number, choice, amount) => new Step(kind, tenant, name, number, choice, amount));

    [Fact]
    public async Task Any_sequence_of_operations_shows_the_same_as_the_model()
    {
        await Steps.Array[1, 40].SampleAsync(CompareAsync, iter: 60, threads: 2);
    }

    /// <summary>Null = SQLite.</summary>
    private protected virtual Task<PostgresAddress?> NewAddressAsync() => Task.FromResult<PostgresAddress?>(null);

    private static StoreRun Run(StoreUnderTest store) => new(store.Catalogue, store.Ledger, store.Keys, TestContext.Current.CancellationToken);

    private async Task CompareAsync(Step[] steps)
    {
        var model = new InMemoryStore();
        var expected = new StoreRun(model.Catalogue, model.Ledger, model.Keys, TestContext.Current.CancellationToken);
        await using var store = await StoreUnderTest.OpenAsync(await NewAddressAsync());
        for (var index = 0; index < steps.Length; index++)
        {
            if (steps[index].Kind == StepKind.Reopen)
            {
                await store.ReopenAsync();
            }

            Assert.Equal(await expected.ApplyAsync(steps[index], index), await Run(store).ApplyAsync(steps[index], index));
        }

        Assert.Equal(await expected.ShowAsync(), await Run(store).ShowAsync());
    }
}
