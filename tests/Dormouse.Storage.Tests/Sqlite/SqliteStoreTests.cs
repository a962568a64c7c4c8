using Dormouse.Storage.Tests.Batches;
using Dormouse.Storage.Tests.Destinations;
using Dormouse.Storage.Tests.Pipelines;
using Dormouse.Storage.Tests.Queues;
using Dormouse.Storage.Tests.Secrets;

namespace Dormouse.Storage.Tests.Sqlite;

public sealed class SqliteStoreTests : StoreSuite;

public sealed class SqliteQueueTests : QueueSuite;

public sealed class SqliteLeaseTests : LeaseSuite;

public sealed class SqliteDeepQueueTests : DeepQueueSuite;

public sealed class SqliteDestinationsTests : DestinationsSuite;

public sealed class SqliteBatchTests : BatchSuite;

public sealed class SqliteBatchWindowTests : BatchWindowSuite;

public sealed class SqlitePipelineTests : PipelineSuite;

public sealed class SqliteSecretsTests : SecretsSuite;

public sealed class SqliteLedgerTests : LedgerSuite;
