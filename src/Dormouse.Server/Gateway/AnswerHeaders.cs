using Dormouse.Core.Usage;
using Dormouse.Protocol;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Primitives;

namespace Dormouse.Server.Gateway;

/// <summary>The product's headers on an answer of an invocation that got a slot.</summary>
internal static class AnswerHeaders
{
    private const string ServerTiming = "Server-Timing";

    /// <summary>What only the server says of an answer: with an instance's own words beside it a caller could take another invocation for this one.</summary>
    public static readonly string[] ServersOwn = [DormouseHeaders.InvocationId, DormouseHeaders.Start, DormouseHeaders.Replayed, DormouseHeaders.Overflow, ServerTiming];

    /// <summary>Takes an instance's words for the server's out of an answer that was copied; <see cref="Set"/> writes the others over.</summary>
    /// <param name="id">The invocation's header as it was before.</param>
    public static void Disown(IHeaderDictionary headers, StringValues id)
    {
        headers[DormouseHeaders.InvocationId] = id;
        headers.Remove(DormouseHeaders.Replayed);
        headers.Remove(DormouseHeaders.Overflow);
    }

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
