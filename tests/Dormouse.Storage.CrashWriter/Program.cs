// Opens and closes invocations as fast as it can until it is killed, and says so on its standard output: "o <sequence>" after an opening, "c <sequence>
// <billed ms>" after a closing. What it has said must be found in the folder afterwards. With "queue COUNT" it works on the queue instead and ends by itself (QueueLoad.cs).
using System.Globalization;
using Dormouse.Core;
using Dormouse.Core.Dispatch;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Usage;
using Dormouse.Storage;
using Dormouse.Storage.CrashWriter;

const int Writers = 4;
const int LeftOpenEvery = 50;

var options = new StorageOptions { FolderPath = args[0], JournalBytes = 1 << 20, FoldInterval = TimeSpan.FromMilliseconds(2) };
var ids = new CountingIds(Environment.ProcessId);
await using var storage = await StorageSet.OpenAsync(options, TimeProvider.System, ids, e => Console.Error.WriteLine(e), CancellationToken.None);
if (args is [_, "queue", var count])
{
    await QueueLoad.RunAsync(storage, args[0], int.Parse(count, CultureInfo.InvariantCulture), ids);
    return;
}

await using var output = Console.OpenStandardOutput();
var outputLock = new Lock();
await Task.WhenAll(Enumerable.Range(0, Writers).Select(w => Task.Run(() => Write(w))));

async Task Write(int writer)
{
    var endpoint = new EndpointId(new Guid(7, 0, 0, 0, 0, 0, 0, 0, 0, 0, (byte)writer));
    for (var i = 1L; ; i++)
    {
        var opening = new InvocationOpening(
            new InvocationId(ids.NewId()), TenantId.Default, new RevisionId(endpoint, 1), writer, TimeProvider.System.GetUtcNow(), 512);
        var sequence = storage.Journal.TryOpen(opening);
        if (sequence < 0)
        {
            await storage.Journal.FlushAsync(CancellationToken.None);
            continue;
        }

        Say($"o {sequence}\n");
        if (i % LeftOpenEvery == 0)
        {
            continue;
        }

        var billed = 1 + (sequence % 97);
        storage.Journal.Close(new Receipt
        {
            ServerId = storage.ServerId,
            Sequence = sequence,
            Invocation = opening.Invocation,
            Tenant = opening.Tenant,
            Revision = opening.Revision,
            Instance = writer,
            StartedAt = opening.StartedAt,
            Outcome = Outcome.Completed,
            Status = 200,
            Start = StartKind.Warm,
            Times = new InvocationTimes(1, 0, 0, billed * 1_000),
            MemoryMib = 512,
            MeteredMicroseconds = billed * 1_000,
            BilledMilliseconds = billed,
            PricePico = billed * 8_333,
        });
        Say($"c {sequence} {billed}\n");
    }
}

void Say(FormattableString line)
{
    var bytes = System.Text.Encoding.ASCII.GetBytes(line.ToString(CultureInfo.InvariantCulture));
    lock (outputLock)
    {
        output.Write(bytes);
    }
}

/// <summary>Ids that no other process with another seed draws.</summary>
internal sealed class CountingIds(int seed) : IIdSource
{
    private int _last;

    public Guid NewId() => new(seed, 0, 0, BitConverter.GetBytes((long)Interlocked.Increment(ref _last)));
}
