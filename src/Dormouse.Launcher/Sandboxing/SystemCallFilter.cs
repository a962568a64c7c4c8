using System.Runtime.InteropServices;
using Dormouse.Launcher.Kernel;

namespace Dormouse.Launcher.Sandboxing;

/// <summary>Makes the filter of <see cref="DeniedCalls"/> with libseccomp: it knows every architecture's numbers and what a filter must do about the wrong architecture.</summary>
internal static unsafe partial class SystemCallFilter
{
    private const string Leave = "unshare";
    private const uint Allow = 0x7FFF0000, Ask = 0x7FC00000, KillProcess = 0x80000000, Refuse = 0x00050000;
    private const int NotPermitted = 1, NoSuchCall = 38;
    private const int WrongArchitecture = 2, Optimise = 8, BinaryTree = 2;
    private const int NotEqual = 1, Equal = 4, MaskedEqual = 7;

    [StructLayout(LayoutKind.Sequential)]
    private struct Comparison
    {
        public uint Argument;
        public int Operation;
        public ulong First;
        public ulong Second;
    }

    /// <summary>The filter as a program of the kernel, in a file in memory; -1 and why when there is none.</summary>
    /// <param name="asks">Who leaves its siblings (<see cref="DeniedCalls.PartingFlags"/>) is not refused at once but asked about, if somebody listens.</param>
    public static int Make(out string problem, bool asks = false)
    {
        problem = "";
        try
        {
            var filter = Init(Allow);
            if (filter == 0)
            {
                problem = "libseccomp could not begin a filter";
                return -1;
            }

            try
            {
                return Write(filter, asks, out problem);
            }
            finally
            {
                Release(filter);
            }
        }
        catch (Exception exception) when (exception is DllNotFoundException or EntryPointNotFoundException)
        {
            problem = "the library libseccomp is missing; 'apt-get install libseccomp2' installs it";
            return -1;
        }
    }

    private static int Write(nint filter, bool asks, out string problem)
    {
        // What is made for another architecture (32-bit, x32) would pass by numbers: it ends the process.
        _ = SetAttribute(filter, WrongArchitecture, KillProcess);
        _ = SetAttribute(filter, Optimise, BinaryTree);
        problem = AddAll(filter, asks) is { } call ? $"libseccomp refused the rule for {call}" : "";
        if (problem.Length > 0)
            return -1;
        var file = Descriptors.FileOf("system-calls", []);
        if (Export(filter, file) == 0)
            return file;
        problem = "libseccomp could not write the filter";
        Descriptors.Close(file);
        return -1;
    }

    /// <summary>Null, or the call whose rule was refused.</summary>
    private static string? AddAll(nint filter, bool asks)
    {
        foreach (var call in DeniedCalls.Always)
        {
            if (asks && call == Leave ? !AddAsked(filter) : !Add(filter, call, NotPermitted))
                return call;
        }

        if (!Add(filter, DeniedCalls.Missing, NoSuchCall))
            return DeniedCalls.Missing;
        foreach (var flag in DeniedCalls.CloneFlags)
        {
            if (!Add(filter, "clone", NotPermitted, Has(0, flag, flag)))
                return "clone";
        }

        foreach (var request in DeniedCalls.TerminalRequests)
        {
            if (!Add(filter, "ioctl", NotPermitted, Has(1, uint.MaxValue, request)))
                return "ioctl";
        }

        for (var family = 0U; family <= DeniedCalls.LastSocketFamily; family++)
        {
            if (DeniedCalls.SocketFamilies.Contains(family))
                continue;
            // The kernel looks at the lower half of the register only: so must the filter.
            var isRefused = Has(0, uint.MaxValue, family);
            var added = family == DeniedCalls.Netlink
                ? Add(filter, "socket", NotPermitted, isRefused, new() { Argument = 2, Operation = NotEqual, First = 0 })
                : Add(filter, "socket", NotPermitted, isRefused);
            if (!added)
                return "socket";
        }

        return null;
    }

    /// <summary>All 64 bits are looked at: what the kernel would not, is refused.</summary>
    private static bool AddAsked(nint filter)
    {
        var isOther = new Comparison { Argument = 0, Operation = NotEqual, First = DeniedCalls.PartingFlags };
        var isParting = isOther with { Operation = Equal };
        return Add(filter, Leave, NotPermitted, isOther) && AddRule(filter, Ask, Resolve(Leave), 1, &isParting) == 0;
    }

    private static Comparison Has(uint argument, uint mask, uint value) => new() { Argument = argument, Operation = MaskedEqual, First = mask, Second = value };

    /// <summary>True also when this architecture or this library has no such call.</summary>
    private static bool Add(nint filter, string call, int error, params ReadOnlySpan<Comparison> comparisons)
    {
        var number = Resolve(call);
        if (number < 0)
            return true;
        fixed (Comparison* start = comparisons)
            return AddRule(filter, Refuse | (uint)error, number, (uint)comparisons.Length, start) == 0;
    }

    [LibraryImport("libseccomp.so.2", EntryPoint = "seccomp_init")]
    private static partial nint Init(uint action);

    [LibraryImport("libseccomp.so.2", EntryPoint = "seccomp_release")]
    private static partial void Release(nint filter);

    [LibraryImport("libseccomp.so.2", EntryPoint = "seccomp_attr_set")]
    private static partial int SetAttribute(nint filter, int attribute, uint value);

    [LibraryImport("libseccomp.so.2", EntryPoint = "seccomp_syscall_resolve_name", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Resolve(string name);

    [LibraryImport("libseccomp.so.2", EntryPoint = "seccomp_rule_add_array")]
    private static partial int AddRule(nint filter, uint action, int call, uint count, Comparison* comparisons);

    [LibraryImport("libseccomp.so.2", EntryPoint = "seccomp_export_bpf")]
    private static partial int Export(nint filter, int descriptor);
}
