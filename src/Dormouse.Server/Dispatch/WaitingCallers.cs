using Dormouse.Core.Dispatch;

namespace Dormouse.Server.Dispatch;

/// <summary>The callers that wait for one revision's slots, by ticket. Guarded by the engine's lock; their continuations run elsewhere.</summary>
internal sealed class WaitingCallers
{
    private readonly Dictionary<long, SlotWaiter> _waiting = [];

    public SlotWaiter Add(RevisionDriver driver, long ticket) => _waiting[ticket] = new SlotWaiter(driver, ticket);

    /// <summary>False when it was answered already.</summary>
    public bool Remove(long ticket) => _waiting.Remove(ticket);

    /// <summary>Answers those whom an event decided on. Returns the answer to <paramref name="mine"/>, who does not wait yet, when it is among them.</summary>
    public SlotResult? Answer(RevisionEffects effects, long mine)
    {
        SlotResult? answer = null;
        foreach (var grant in effects.Grants)
        {
            Give(grant.Ticket, new SlotResult.Granted(grant), mine, ref answer);
        }

        foreach (var refusal in effects.Refusals)
        {
            Give(refusal.Ticket, new SlotResult.Refused(refusal), mine, ref answer);
        }

        return answer;
    }

    private void Give(long to, SlotResult result, long mine, ref SlotResult? answer)
    {
        if (to == mine)
        {
            answer = result;
        }
        else if (_waiting.Remove(to, out var waiter))
        {
            waiter.Answer(result);
        }
    }
}
