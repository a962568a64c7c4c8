using Dormouse.Core.Usage;
using Dormouse.Protocol;
using Microsoft.AspNetCore.Http;

namespace Dormouse.Server.Gateway;

/// <summary>The product's headers on an answer of an invocation that got a slot.</summary>
internal static class AnswerHeaders
{
    private const string ServerTiming = "Server-Timing";

    /// <param name="receipt">Null while the run's time is not known.</param>
    public static void Set(IHeaderDictionary headers, Invocation invocation, Receipt? receipt)
    {
        headers[DormouseHeaders.Start] = StartText.Of(invocation.Grant);
        headers[ServerTiming] = Timing(invocation, receipt);
    }

    /// <summary>The wait in the instance for a shared run is part of the queue.</summary>
    public static string Timing(Invocation invocation, Receipt? receipt)
    {
        var text = StartText.Timing(
            invocation.Grant.Queue + TimeSpan.FromMicroseconds(invocation.Batch?.WaitMicroseconds ?? 0), invocation.Grant.Start, invocation.Grant.Load,
            receipt is null ? null : TimeSpan.FromMicroseconds(receipt.Times.RunMicroseconds));
        return invocation.Batch is { } batch ? string.Create(System.Globalization.CultureInfo.InvariantCulture, $"{text}, batch;desc={batch.Rows}") : text;
    }

    /// <summary>For one that waited in vain.</summary>
    public static void SetWaited(IHeaderDictionary headers, TimeSpan waited) =>
        headers[ServerTiming] = string.Create(System.Globalization.CultureInfo.InvariantCulture, $"queue;dur={waited.TotalMilliseconds:0.###}");
}
