using Dormouse.Core.Endpoints;

namespace Dormouse.Core.Instances;

internal enum ClaimState
{
    Waiting,
    Starting,
    Busy,
    Idle,
    Evicting,
}

/// <summary>One instance's hold on the machine. Its one list node moves between the lists, so going idle and busy allocates nothing.</summary>
internal sealed class InstanceClaim
{
    public InstanceClaim(InstanceId instance, TenantId tenant, InstanceNeed need)
    {
        Instance = instance;
        Tenant = tenant;
        Need = need;
        Place = new LinkedListNode<InstanceClaim>(this);
    }

    public InstanceId Instance { get; }

    public EndpointId Endpoint => Instance.Revision.Endpoint;

    public TenantId Tenant { get; }

    public InstanceNeed Need { get; }

    public ClaimState State { get; set; }

    public bool IsPressing { get; set; }

    /// <summary>It was told to go though it is busy.</summary>
    public bool IsGivingWay { get; set; }

    /// <summary>It was, and its engine keeps it.</summary>
    public bool MustStay { get; set; }

    /// <summary>When its start ended.</summary>
    public MonotonicTime Since { get; set; }

    /// <summary>Meaningful while it is idle.</summary>
    public double Priority { get; set; }

    public LinkedListNode<InstanceClaim> Place { get; }
}

/// <summary>Memory and reserved cores together: of some instances, or what is lacking.</summary>
internal readonly record struct Room(long MemoryMib, long CpuMillis)
{
    public static Room operator +(Room room, InstanceNeed need) => new(room.MemoryMib + need.MemoryMib, room.CpuMillis + need.CpuMillis);

    public static Room operator -(Room room, InstanceNeed need) => new(room.MemoryMib - need.MemoryMib, room.CpuMillis - need.CpuMillis);

    public static Room operator +(Room one, Room other) => new(one.MemoryMib + other.MemoryMib, one.CpuMillis + other.CpuMillis);

    /// <summary>As much as that of both, or more.</summary>
    public bool Covers(Room needed) => MemoryMib >= needed.MemoryMib && CpuMillis >= needed.CpuMillis;

    /// <summary>Whether an instance that goes gives some of what is lacking beyond this.</summary>
    public bool IsHelpedBy(InstanceNeed need, Room lacking) =>
        (MemoryMib < lacking.MemoryMib && need.MemoryMib > 0) || (CpuMillis < lacking.CpuMillis && need.CpuMillis > 0);
}
