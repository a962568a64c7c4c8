using System.Text.RegularExpressions;
using Dormouse.Drivers.Tests.Support;
using Dormouse.Launcher.Kernel;
using Dormouse.Launcher.Sandboxing;

namespace Dormouse.Drivers.Tests.Launcher;

public sealed partial class DeniedCallsTests
{
    [Fact]
    public void The_documented_list_is_the_list()
    {
        var section = File.ReadAllText(Path.Combine(Machine.Root, "docs/spec/sandbox.md")).Split("## System calls")[1].Split("## What it is made with")[0];
        var table = section.Split('\n').Where(line => line.StartsWith("| `", StringComparison.Ordinal)).Select(line => line.Split('|')[1]);
        var documented = table.Where(cell => !cell.Contains(" with ", StringComparison.Ordinal) && !cell.Contains(" of ", StringComparison.Ordinal))
            .SelectMany(cell => Quoted().Matches(cell.Split(", and")[0]).Select(match => match.Groups[1].Value));
        // Rows with more to say begin with the calls themselves.
        var mixed = table.Where(cell => cell.Contains("`setns`", StringComparison.Ordinal)).SelectMany(_ => (string[])["setns", "unshare"]);

        Assert.Equal(DeniedCalls.Always.Order(StringComparer.Ordinal), documented.Concat(mixed).Distinct().Order(StringComparer.Ordinal));
        Assert.Contains($"`{DeniedCalls.Missing}`", section, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void The_filter_is_a_program_of_the_kernel(bool asks)
    {
        var filter = SystemCallFilter.Make(out var problem, asks);
        if (filter < 0)
            Assert.Skip(problem);

        // struct sock_filter has 8 bytes; the kernel takes at most 4096 of them.
        using var file = File.OpenHandle($"/proc/self/fd/{filter}");
        var bytes = RandomAccess.GetLength(file);
        Descriptors.Close(filter);

        Assert.Equal("", problem);
        Assert.InRange(bytes / 8, 50, 4096);
        Assert.Equal(0, bytes % 8);
    }

    [Fact]
    public void The_call_that_a_fork_may_ask_for_is_the_same_on_both_sides()
    {
        var door = File.ReadAllText(Path.Combine(Machine.Root, "python/dormouse/runner/door.py"));

        Assert.Contains("FLAGS = 0x00020000 | 0x08000000 | 0x10000000\n", door, StringComparison.Ordinal);
        Assert.Equal(0x18020000U, DeniedCalls.PartingFlags);
    }

    [Theory]
    [InlineData("user.max_user_namespaces", "0\n", true)]
    [InlineData("user.max_user_namespaces", "95000\n", false)]
    [InlineData("kernel.unprivileged_userns_clone", "0\n", true)]
    [InlineData("kernel.apparmor_restrict_unprivileged_userns", "1\n", true)]
    [InlineData("kernel.apparmor_restrict_unprivileged_userns", "0\n", false)]
    [InlineData("kernel.other", "0\n", false)]
    public void A_kernel_that_forbids_namespaces_is_named_by_its_setting(string name, string value, bool forbids)
    {
        var missing = ForkNamespaces.Missing(path => path == "/proc/sys/" + name.Replace('.', '/') ? value : null);

        Assert.Equal(forbids, missing is not null);
        if (forbids)
            Assert.Contains($"sysctl {name} is {value.Trim()}", missing, StringComparison.Ordinal);
    }

    [GeneratedRegex("`([a-z0-9_]+)`")]
    private static partial Regex Quoted();
}
