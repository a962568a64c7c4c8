using Dormouse.Storage.Postgres;
using Dormouse.Storage.Tests.Batches;
using Dormouse.Storage.Tests.Destinations;
using Dormouse.Storage.Tests.Pipelines;
using Dormouse.Storage.Tests.Queues;
using Dormouse.Storage.Tests.Secrets;
using Dormouse.Storage.Tests.Support;

namespace Dormouse.Storage.Tests.Postgres;

public sealed class PostgresStoreTests(PostgresFixture postgres) : StoreSuite
{
    private protected override async Task<PostgresAddress?> NewAddressAsync() => await postgres.NewAddressAsync();
}

public sealed class PostgresQueueTests(PostgresFixture postgres) : QueueSuite
{
    private protected override async Task<PostgresAddress?> NewAddressAsync() => await postgres.NewAddressAsync();
}

public sealed class PostgresLeaseTests(PostgresFixture postgres) : LeaseSuite
{
    private protected override async Task<PostgresAddress?> NewAddressAsync() => await postgres.NewAddressAsync();
}

public sealed class PostgresDeepQueueTests(PostgresFixture postgres) : DeepQueueSuite
{
    private protected override async Task<PostgresAddress?> NewAddressAsync() => await postgres.NewAddressAsync();
}

public sealed class PostgresDestinationsTests(PostgresFixture postgres) : DestinationsSuite
{
    private protected override async Task<PostgresAddress?> NewAddressAsync() => await postgres.NewAddressAsync();
}

public sealed class PostgresBatchTests(PostgresFixture postgres) : BatchSuite
{
    private protected override async Task<PostgresAddress?> NewAddressAsync() => await postgres.NewAddressAsync();
}

public sealed class PostgresBatchWindowTests(PostgresFixture postgres) : BatchWindowSuite
{
    private protected override async Task<PostgresAddress?> NewAddressAsync() => await postgres.NewAddressAsync();
}

public sealed class PostgresPipelineTests(PostgresFixture postgres) : PipelineSuite
{
    private protected override async Task<PostgresAddress?> NewAddressAsync() => await postgres.NewAddressAsync();
}

public sealed class PostgresSecretsTests(PostgresFixture postgres) : SecretsSuite
{
    private protected override async Task<PostgresAddress?> NewAddressAsync() => await postgres.NewAddressAsync();
}

public sealed class PostgresLedgerTests(PostgresFixture postgres) : LedgerSuite
{
    private protected override async Task<PostgresAddress?> NewAddressAsync() => await postgres.NewAddressAsync();
}

public sealed class PostgresCatalogueTests(PostgresFixture postgres) : CatalogueSuite
{
    private protected override async Task<PostgresAddress?> NewAddressAsync() => await postgres.NewAddressAsync();
}
