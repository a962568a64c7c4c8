using System.Security.Cryptography;
using System.Text;
using Dormouse.Core.Dispatch;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Packages;
using Dormouse.Core.Queues;
using Dormouse.Core.Usage;

namespace Dormouse.Storage.Tests.Support;

/// <summary>Ordinary values that a test changes where it matters.</summary>
internal static class Samples
{
    public static readonly DateTimeOffset Noon = new(2026, 3, 4, 12, 0, 0, TimeSpan.Zero);

    public static readonly EndpointId Endpoint = new(CountingIds.Id(900));

    public static BlobHash HashOf(string content) => new(Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(content))));

    public static PackageFile File(string path, string content) => new(path, HashOf(content), Encoding.UTF8.GetByteCount(content));

    public static NewRevision Revision(string name = "digits") => new()
    {
        Tenant = TenantId.Default,
        EndpointName = name,
        State = RevisionState.Ready,
        Package = new Package([File("model.onnx", "model of " + name)]),
        Spec = new RevisionSpec { Runtime = "onnx" },
    };

    /// <summary>An item whose body has 4 bytes.</summary>
    public static QueueItem Queued(int number, EndpointId endpoint) => new()
    {
        Id = new InvocationId(CountingIds.Id(number)),
        Tenant = TenantId.Default,
        Endpoint = endpoint,
        Request = new QueuedRequest("POST", null, null, []),
        BodyBytes = 4,
        AcceptedAt = Noon,
        NotBefore = Noon,
        ExpiresAt = Noon.AddHours(1),
        AttemptsMax = 3,
    };

    public static InvocationOpening Opening(long number) =>
        new(new InvocationId(CountingIds.Id(10_000 + number)), TenantId.Default, new RevisionId(Endpoint, 3), 17, Noon.AddSeconds(number), 512);

    public static Receipt Receipt(Guid server, long sequence, InvocationOpening opening) => new()
    {
        ServerId = server,
        Sequence = sequence,
        Invocation = opening.Invocation,
        Tenant = opening.Tenant,
        Revision = opening.Revision,
        Instance = opening.Instance,
        StartedAt = opening.StartedAt,
        Outcome = Outcome.Completed,
        Status = 200,
        Start = StartKind.Cold,
        Cause = StartCause.Idle,
        Rung = Core.Instances.Rung.Pool,
        Times = new InvocationTimes(100, 2_900, 400, 1_500),
        CpuMicroseconds = 1_400,
        MemoryMib = opening.MemoryMib,
        MeteredMicroseconds = 1_500,
        BilledMilliseconds = 2,
        PricePico = 16_667,
    };
}
