using Dormouse.Core.Dispatch;

namespace Dormouse.Server.Dispatch;

/// <summary>The answer to an invocation that asked for a slot.</summary>
internal abstract record SlotResult
{
    private SlotResult()
    {
    }

    public sealed record Granted(SlotGrant Grant) : SlotResult;

    public sealed record Refused(SlotRefusal Refusal) : SlotResult;
}
