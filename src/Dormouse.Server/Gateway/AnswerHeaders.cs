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

    public static string Timing(Invocation invocation, Receipt? receipt) => StartText.Timing(
        invocation.Grant.Queue, invocation.Grant.Start, invocation.Grant.Load,
        receipt is null ? null : TimeSpan.FromMicroseconds(receipt.Times.RunMicroseconds));

    /// <summary>For one that waited in vain.</summary>
    public static void SetWaited(IHeaderDictionary headers, TimeSpan waited) =>
        headers[ServerTiming] = string.Create(System.Globalization.CultureInfo.InvariantCulture, $"queue;dur={waited.TotalMilliseconds:0.###}");
}
