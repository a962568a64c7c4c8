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

    [Fact]
    public void The_filter_is_a_program_of_the_kernel()
    {
        var filter = SystemCallFilter.Make(out var problem);
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

    [GeneratedRegex("`([a-z0-9_]+)`")]
    private static partial Regex Quoted();
}
