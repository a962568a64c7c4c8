using System.Globalization;
using Dormouse.Launcher.Kernel;
using Dormouse.Protocol.Launching;

namespace Dormouse.Launcher.Workers;

// Whom an instance without a network tried to reach: the kernel counts in the sandbox's own network what had no way, and the instance's log says so.
internal sealed partial class WorkerTable
{
    private const string Protocol = "Ip:", NoWay = "OutNoRoutes";

    /// <summary>Said before it ends. Forks share their template's network: the one that ends next after an attempt says it.</summary>
    private void TellUnreached(WorkerProcess worker)
    {
        var owner = worker.Template ?? worker;
        if (owner is not { IsSandboxed: true, Network: null, InsideId: > 0, InsideDescriptor: >= 0 })
            return;
        var attempts = Unreached(Read($"/proc/{owner.InsideId}/net/snmp"));
        // The number is another's once the process has been reaped.
        if (attempts <= owner.AttemptsTold || Descriptors.HasEnded(owner.InsideDescriptor))
            return;
        var more = attempts - owner.AttemptsTold;
        owner.AttemptsTold = attempts;
        var who = worker.Template is null ? "it" : "it, or another fork of its template,";
        tell(new WorkerWrote(worker.Number, string.Create(
            CultureInfo.InvariantCulture, $"[{who} tried {more} {(more == 1 ? "time" : "times")} to reach another machine: it has no network]")));
    }

    /// <summary>From the kernel's table, in which a line of names comes before each line of numbers; 0 when it does not say.</summary>
    internal static long Unreached(string table)
    {
        var lines = table.Split('\n').Where(line => line.StartsWith(Protocol, StringComparison.Ordinal)).Select(line => line.Split(' ')).ToArray();
        return lines is [var names, var numbers] && Array.IndexOf(names, NoWay) is > 0 and var place && place < numbers.Length && long.TryParse(numbers[place], CultureInfo.InvariantCulture, out var count) ? count : 0;
    }
}
