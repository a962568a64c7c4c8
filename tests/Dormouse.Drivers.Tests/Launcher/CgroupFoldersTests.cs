using Dormouse.Launcher.Limits;

namespace Dormouse.Drivers.Tests.Launcher;

public sealed class CgroupFoldersTests
{
    [Fact]
    public void Version_1_has_a_folder_for_each_controller()
    {
        var folders = CgroupFolders.Find(
            """
            31 30 0:28 / /sys/fs/cgroup/cpu,cpuacct rw,relatime - cgroup cgroup rw,cpu,cpuacct
            34 30 0:31 / /sys/fs/cgroup/memory rw,relatime shared:4 - cgroup cgroup rw,memory
            40 30 0:37 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
            """,
            """
            4:memory:/user.slice/session-1
            2:cpu,cpuacct:/
            0::/user.slice
            """);

        Assert.Equal("/sys/fs/cgroup/memory/user.slice/session-1", folders.Controllers["memory"]);
        Assert.Equal("/sys/fs/cgroup/cpu,cpuacct", folders.Controllers["cpu"]);
        Assert.Equal("/sys/fs/cgroup/cpu,cpuacct", folders.Controllers["cpuacct"]);
        Assert.Equal("/sys/fs/cgroup/unified/user.slice", folders.Unified);
    }

    [Fact]
    public void Version_2_has_one_folder_for_all()
    {
        var folders = CgroupFolders.Find(
            "30 23 0:26 / /sys/fs/cgroup rw,nosuid,nodev,noexec,relatime shared:9 - cgroup2 cgroup2 rw,nsdelegate",
            "0::/user.slice/user-1000.slice/user@1000.service/app.slice/run-1.scope");

        Assert.Empty(folders.Controllers);
        Assert.Equal("/sys/fs/cgroup/user.slice/user-1000.slice/user@1000.service/app.slice/run-1.scope", folders.Unified);
    }

    [Fact]
    public void A_mount_of_a_part_is_entered_at_that_part()
    {
        var folders = CgroupFolders.Find(
            "34 30 0:31 /docker/abc /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory",
            "4:memory:/docker/abc/inner");

        Assert.Equal("/sys/fs/cgroup/memory/inner", folders.Controllers["memory"]);
    }

    [Fact]
    public void A_machine_without_cgroups_has_none()
    {
        var folders = CgroupFolders.Find("22 1 0:20 / /proc rw - proc proc rw", "");

        Assert.Empty(folders.Controllers);
        Assert.Null(folders.Unified);
    }
}
