using System.Diagnostics;
using System.Globalization;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Usage;
using Dormouse.Storage.Tests.Support;

namespace Dormouse.Storage.Tests.Journal;

/// <summary>A process that appends is killed with SIGKILL; its folder is opened again.</summary>
public sealed class KilledServerTests : IDisposable
{
    private const int Rounds = 3;

    private readonly TestFolder _folder = new();
    private readonly HashSet<long> _opened = [];
    private readonly Dictionary<long, long> _closed = [];

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task No_receipt_that_was_said_to_be_written_is_lost_and_totals_equal_their_sum()
    {
        for (var round = 1; round <= Rounds; round++)
        {
            await WriteUntilKilledAsync(lines: 3_000 * round);
            await CheckAsync();
        }
    }

    private async Task WriteUntilKilledAsync(int lines)
    {
        var writer = Path.Combine(AppContext.BaseDirectory, "Dormouse.Storage.CrashWriter.dll");
        var start = new ProcessStartInfo(Environment.ProcessPath is { } path && Path.GetFileNameWithoutExtension(path) == "dotnet" ? path : "dotnet", [writer, _folder.Data])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        using var process = Process.Start(start)!;
        var errors = process.StandardError.ReadToEndAsync(Cancellation);
        for (var i = 0; await process.StandardOutput.ReadLineAsync(Cancellation) is { } line; i++)
        {
            Note(line);
            if (i == lines)
            {
                process.Kill();
            }
        }

        await process.WaitForExitAsync(Cancellation);
        Assert.True(_closed.Count > 0, await errors);
    }

    private void Note(string line)
    {
        // The kill may have cut the last line: it then said nothing.
        switch (line.Split(' '))
        {
            case ["o", var sequence]:
                _opened.Add(long.Parse(sequence, CultureInfo.InvariantCulture));
                break;
            case ["c", var sequence, var billed] when long.Parse(sequence, CultureInfo.InvariantCulture) is var number && billed == Billed(number):
                _closed[number] = long.Parse(billed, CultureInfo.InvariantCulture);
                break;
            default:
                break;
        }
    }

    private static string Billed(long sequence) => (1 + (sequence % 97)).ToString(CultureInfo.InvariantCulture);

    private async Task CheckAsync()
    {
        await using var storage = await _folder.OpenAsync();

        var receipts = (await storage.Ledger.RecentAsync(TenantId.Default, null, int.MaxValue, Cancellation)).ToDictionary(r => r.Sequence);
        Assert.Empty(await storage.Ledger.CheckAsync(null, Cancellation));
        Assert.All(_closed, c => Assert.Equal((Outcome.Completed, c.Value), (receipts[c.Key].Outcome, receipts[c.Key].BilledMilliseconds)));
        Assert.Contains(receipts.Values, r => r.Outcome == Outcome.ServerLost);
        Assert.All(receipts.Values.Where(r => r.Outcome == Outcome.ServerLost), r => Assert.Equal(0, r.BilledMilliseconds));
        var totals = await storage.Ledger.TotalsAsync(TenantId.Default, null, DateTimeOffset.UnixEpoch, DateTimeOffset.MaxValue, Cancellation);
        Assert.Equal(receipts.Count, totals.Sum(t => t.Invocations));
        Assert.Equal(receipts.Values.Sum(r => r.BilledMilliseconds), totals.Sum(t => t.BilledMilliseconds));

        // The last line may have been cut between digits, so it may name a number that never was.
        Assert.True(_opened.Count(o => !receipts.ContainsKey(o)) <= Rounds, "openings that were said are missing");
    }
}
