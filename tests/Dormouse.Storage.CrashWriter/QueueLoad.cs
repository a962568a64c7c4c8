using System.Text;
using Dormouse.Core;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Queues;

namespace Dormouse.Storage.CrashWriter;

/// <summary>
/// Queues, takes and ends invocations, several at once so that they share commits, and says in a file what has been promised: "a ID" when one is accepted, "e ID" when its end is stored.
/// </summary>
internal static class QueueLoad
{
    private const int Writers = 4;

    private const int BodyBytes = 60_000;

    public static async Task RunAsync(StorageSet storage, string folder, int count, IIdSource ids)
    {
        await using var said = new FileStream(Path.Combine(folder, "dormouse.db.said"), FileMode.Create, FileAccess.Write, FileShare.Read, bufferSize: 0);
        var saying = new Lock();
        await Task.WhenAll(Enumerable.Range(0, Writers).Select(w => Task.Run(() => WriteAsync(w))));

        async Task WriteAsync(int writer)
        {
            var endpoint = new EndpointId(new Guid(9, 0, 0, 0, 0, 0, 0, 0, 0, 0, (byte)writer));
            for (var i = writer; i < count; i += Writers)
            {
                var now = TimeProvider.System.GetUtcNow();
                var item = new QueueItem
                {
                    Id = new InvocationId(ids.NewId()),
                    Tenant = TenantId.Default,
                    Endpoint = endpoint,
                    Request = new QueuedRequest("POST", "/", null, []),
                    BodyBytes = BodyBytes,
                    AcceptedAt = now,
                    NotBefore = now,
                    ExpiresAt = now.AddDays(1),
                    AttemptsMax = 3,
                };
                await storage.Queue.AcceptAsync(new NewQueueItem(item, new byte[BodyBytes], null), int.MaxValue, CancellationToken.None);
                Say("a", item.Id);
                if (i % 3 != 0)
                {
                    var leased = await storage.Queue.LeaseAsync(storage.ServerId, [new LeaseWish(endpoint, 1)], now, now.AddMinutes(1), CancellationToken.None);
                    foreach (var taken in leased.Items)
                    {
                        var answer = new StoredAnswer(200, [], new byte[100]);
                        if (await storage.Queue.EndAsync(taken.Item.Lease, new QueueVerdict.Finished(QueueState.Succeeded, answer, null), null, now, CancellationToken.None))
                        {
                            Say("e", taken.Item.Id);
                        }
                    }
                }
            }
        }

        void Say(string what, InvocationId id)
        {
            lock (saying)
            {
                said.Write(Encoding.ASCII.GetBytes($"{what} {id}\n"));
            }
        }
    }
}
