namespace Dormouse.Core.Scaling;

/// <summary>How many instances are to be kept now because of a schedule; the schedule itself is expanded outside Core.</summary>
/// <param name="Instances">0 = no window is open.</param>
/// <param name="Window">For people, e.g. "from 08:00 to 18:00 Europe/Berlin"; empty when no window is open.</param>
public readonly record struct InstanceFloor(int Instances, string Window)
{
    public static readonly InstanceFloor None = new(0, "");
}
