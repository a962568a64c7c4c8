using Dormouse.Client;
using Dormouse.Protocol.Control;

namespace Dormouse.Cli.Drill;

/// <summary>Collects the receipts of one endpoint while they come: a list of the server holds only the last thousand.</summary>
internal sealed class DrillReceipts(UsageClient usage, string endpoint, TimeProvider time)
{
    private const int PageMax = 1000;
    private const string Running = "running";

    /// <summary>The load stays far below a page in this time.</summary>
    private static readonly TimeSpan LookAgain = TimeSpan.FromSeconds(1);

    private readonly Lock _receiptsLock = new();
    private readonly Dictionary<string, ListedReceipt> _receipts = new(StringComparer.Ordinal);

    /// <summary>Looks again and again until cancelled.</summary>
    public async Task FollowAsync(CancellationToken cancellationToken)
    {
        try
        {
            while (true)
            {
                await LookAsync(cancellationToken);
                await Task.Delay(LookAgain, time, cancellationToken);
            }
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            // The wished end.
        }
    }

    /// <summary>Compares with the calls when all of them have ended.</summary>
    public async Task<DrillAccounts> CompareAsync(AnsweredCalls calls, DateTimeOffset since, CancellationToken cancellationToken)
    {
        await LookAsync(cancellationToken);
        foreach (var id in calls.Ran.Where(id => !IsKnown(id)).ToList())
        {
            await LookForAsync(id, cancellationToken);
        }

        var report = await usage.ReportAsync("endpoint", endpoint, since, cancellationToken: cancellationToken);
        lock (_receiptsLock)
        {
            return DrillAccounts.Compare(calls, _receipts, report.Total);
        }
    }

    /// <summary>Looks once. Returns every receipt that is known by now.</summary>
    public async Task<IReadOnlyCollection<ReceiptInfo>> LookAsync(CancellationToken cancellationToken)
    {
        var page = await usage.ReceiptsAsync(endpoint, PageMax, cancellationToken);
        lock (_receiptsLock)
        {
            foreach (var same in page.Invocations.Where(r => r.Outcome != Running).GroupBy(r => r.Id, StringComparer.Ordinal))
            {
                var times = Math.Max(same.Count(), _receipts.GetValueOrDefault(same.Key)?.Times ?? 0);
                _receipts[same.Key] = new ListedReceipt(same.First(), times);
            }

            return [.. _receipts.Values.Select(r => r.Receipt)];
        }
    }

    private bool IsKnown(string id)
    {
        lock (_receiptsLock)
        {
            return _receipts.ContainsKey(id);
        }
    }

    private async Task LookForAsync(string id, CancellationToken cancellationToken)
    {
        try
        {
            var receipt = await usage.ReceiptAsync(id, cancellationToken);
            lock (_receiptsLock)
            {
                if (receipt.Outcome != Running)
                {
                    _receipts[id] = new ListedReceipt(receipt, 1);
                }
            }
        }
        catch (DormouseException e) when (e.IsNotFound)
        {
            // It has none: that is what is counted.
        }
    }
}
