using Dormouse.Storage.Tests.Destinations;
using Dormouse.Storage.Tests.Queues;

namespace Dormouse.Storage.Tests.Sqlite;

public sealed class SqliteStoreTests : StoreSuite;

public sealed class SqliteQueueTests : QueueSuite;

public sealed class SqliteLeaseTests : LeaseSuite;

public sealed class SqliteDestinationsTests : DestinationsSuite;

public sealed class SqliteLedgerTests : LedgerSuite;
