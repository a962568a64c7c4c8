using Dormouse.Core.Instances;

namespace Dormouse.Server.Dispatch;

/// <summary>Tells the driver what is to be frozen and thawed. Carried out without a lock, so two orders about one instance may overtake each other: their turns say which counts.</summary>
internal static class FreezerOrders
{
    public static void CarryOut(IInstanceDriver instances, Aftermath aftermath)
    {
        foreach (var (instance, turn) in aftermath.Freezes)
        {
            instances.Freeze(instance, turn);
        }

        foreach (var (instance, turn, _) in aftermath.Thaws)
        {
            instances.Thaw(instance, turn);
        }
    }
}
