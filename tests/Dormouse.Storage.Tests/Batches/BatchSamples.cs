using Dormouse.Core.Batches;
using Dormouse.Core.Dispatch;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Queues;
using Dormouse.Storage.Tests.Support;

namespace Dormouse.Storage.Tests.Batches;

internal static class BatchSamples
{
    public static readonly EndpointId Endpoint = new(CountingIds.Id(5));

    public static readonly Guid Owner = CountingIds.Id(71);

    public static BatchJob Job(int number, string budget = "3") => new()
    {
        Id = new BatchId(CountingIds.Id(2_000 + number)),
        Tenant = TenantId.Default,
        Endpoint = Endpoint,
        EndpointName = "digits",
        Version = number % 2 == 0 ? "3" : null,
        Owner = Owner,
        Input = new BatchInput(number % 2 == 0 ? BatchPlace.Uploaded : BatchPlace.Server, new string('a', 64), number % 2 == 0 ? null : "7 9", "flöwers.csv", (BatchFormat)(number % 3), 1_000),
        Concurrency = 4,
        Budget = FailureBudget.TryParse(budget, out var read) ? read : default,
        CreatedAt = Samples.Noon.AddSeconds(number),
    };

    /// <param name="isBroken">It cannot be sent.</param>
    public static FedBatchItem Item(BatchJob job, long number, bool isBroken) => isBroken
        ? new FedBatchItem(number, $"line {number}", null, new ItemFault("input_invalid", "no JSON"))
        : new FedBatchItem(number, $"line {number}", new NewQueueItem(
            new QueueItem
            {
                Id = Invocation(job, number),
                Tenant = job.Tenant,
                Endpoint = job.Endpoint,
                Request = new QueuedRequest("POST", "/", job.Version, []),
                BodyBytes = 7,
                Priority = QueuePriority.Low,
                AcceptedAt = Samples.Noon,
                NotBefore = Samples.Noon,
                ExpiresAt = Samples.Noon.AddDays(1),
                AttemptsMax = 2,
            },
            new byte[7],
            null), null);

    public static InvocationId Invocation(BatchJob job, long number) => new(CountingIds.Id((int)(100_000 + (job.CreatedAt.Second * 1_000) + number)));
}
