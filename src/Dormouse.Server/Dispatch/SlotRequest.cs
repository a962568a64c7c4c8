using Dormouse.Core.Dispatch;

namespace Dormouse.Server.Dispatch;

/// <summary>What an invocation asks for.</summary>
/// <param name="BodyBytes">Bytes of its body that are held while it waits.</param>
/// <param name="IsRetry">Its instance broke; it goes to the head of the queue.</param>
/// <param name="TimeLeft">Until the answer is of no use to its caller, zero or less = it is already; null = the caller did not say.</param>
internal readonly record struct SlotRequest(long BodyBytes, bool IsRetry, TimeSpan? TimeLeft = null, QueuePriority Priority = QueuePriority.Normal);
