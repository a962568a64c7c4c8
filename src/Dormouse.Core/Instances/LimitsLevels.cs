namespace Dormouse.Core.Instances;

/// <summary>By what the use of a machine is bounded for each instance; docs/spec/sandbox.md says what each bounds.</summary>
public static class LimitsLevels
{
    public const string CgroupV1 = "cgroup v1";
    public const string CgroupV2 = "cgroup v2";

    /// <summary>Limits of a process: they bound memory, and no processor time.</summary>
    public const string ResourceLimits = "rlimits";
}
