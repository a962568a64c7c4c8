using System.Globalization;
using System.Text.Json;
using Dormouse.Launcher.Kernel;
using Dormouse.Launcher.Sandboxing;
using Dormouse.Protocol.Launching;

namespace Dormouse.Launcher.Workers;

/// <summary>How far a fork has left its siblings.</summary>
internal enum Parting
{
    /// <summary>It has what its template has.</summary>
    Together,

    /// <summary>It was allowed namespaces of its own, and has powers over them.</summary>
    Allowed,

    /// <summary>It was given what it needs, and has to give up those powers.</summary>
    Settled,

    /// <summary>It was seen that it has.</summary>
    Apart,

    /// <summary>The kernel did not let it go.</summary>
    Refused,
}

// Forks in a sandbox leave the user, the temporary files and the queues of their template: each asks once, by a listener of its system call filter, and is looked at before it is anybody's instance.
internal sealed unsafe partial class WorkerTable
{
    /// <summary>Somebody in the template's sandbox asks for namespaces: only a fork that was ordered, has said who it is and has not asked yet may have them.</summary>
    public void ReadDoor(WorkerProcess template)
    {
        var error = CallNotices.Take(template.Door, out var notice, out var process);
        if (error is Libc.NoEntry or Libc.Interrupted)
            return;
        if (error != 0)
        {
            template.CloseDoor();
            return;
        }

        // Who asks has said its first word before.
        foreach (var fork in _workers.Values.Where(worker => worker.Template == template && worker is { ProcessId: 0, Control: >= 0 }).ToArray())
            ReadControl(fork);
        var asking = _workers.Values.FirstOrDefault(worker => worker.Template == template && worker.ProcessId == process && worker is { End: null, Parting: Parting.Together });
        if (asking is not null)
            asking.Parting = Parting.Allowed;
        CallNotices.Answer(template.Door, notice, asking is not null);
    }

    /// <summary>The first word of a worker may bring the listener of its door. Whoever says more later is code of the user's, from whom none is taken.</summary>
    private static void TakeDoor(WorkerProcess worker, int descriptor)
    {
        if (worker is { Forks: true, Messages: 0, Door: < 0 } && descriptor >= 0)
            worker.Door = Descriptors.MoveHigh(descriptor);
        else
            Descriptors.Close(descriptor);
    }

    /// <summary>False: it may not say this.</summary>
    private bool Settle(WorkerProcess fork, WorkerApart apart)
    {
        if (fork is not { Template: { Enclosure: { } enclosure } template, Control: >= 0 } || fork.Parting is not (Parting.Together or Parting.Allowed))
            return false;
        var user = enclosure.UserOf(fork.Number).Number;
        if (apart.Problem is { } problem)
        {
            fork.Parting = Parting.Refused;
            tell(new WorkerWrote(fork.Number, $"[instances of this revision that are forks share a user and can read each other's temporary files: the kernel refuses a namespace ({problem})]"));
        }
        else if (fork.Parting != Parting.Allowed)
        {
            return false;
        }
        else if (GiveUser(fork, template, enclosure, user) is { } failure)
        {
            fork.Error ??= failure;
            return false;
        }
        else
        {
            fork.Parting = Parting.Settled;
        }

        var answer = JsonSerializer.SerializeToUtf8Bytes(new ForkSettled(user is not null), WorkerJson.Default.ForkSettled);
        _ = Descriptors.SendPacket(fork.Control, answer, []); // One that has ended is seen to have ended.
        return true;
    }

    /// <summary>Null when it can become its own user, whom it sees as the one it was, and has its folders; else why not.</summary>
    private static string? GiveUser(WorkerProcess fork, WorkerProcess template, IEnclosure enclosure, uint? user)
    {
        if (user is { } number && enclosure.UserOf(template.Number).Number is { } old)
        {
            // Inside, the two are exchanged: what the template has left can be made the fork's.
            var exchange = string.Create(CultureInfo.InvariantCulture, $"{old} {number} 1\n{number} {old} 1\n");
            foreach (var map in (string[])["uid_map", "gid_map"])
            {
                var error = Descriptors.WriteText($"/proc/{fork.ProcessId}/{map}", exchange);
                if (error != 0)
                    return $"it could not be given a user of its own ({Descriptors.Words(error)})";
            }
        }

        return enclosure.Door.ShowScratch(fork.ProcessId, fork.EndDescriptor, template.ScratchBytes, out var problem) ? null : problem;
    }

    /// <summary>False: it said more, and has not given up what it had to.</summary>
    private static bool HasParted(WorkerProcess fork)
    {
        if (fork.Parting is Parting.Together or Parting.Apart or Parting.Refused)
            return true;
        if (fork.Parting == Parting.Settled && IsPowerless(fork.ProcessId, fork.Template?.Enclosure?.UserOf(fork.Number).Number))
        {
            fork.Parting = Parting.Apart;
            return true;
        }

        fork.Error ??= "it did not give up its powers over its namespaces";
        return false;
    }

    private static bool IsPowerless(int process, uint? user)
    {
        string[] lines;
        try
        {
            lines = File.ReadAllLines($"/proc/{process}/status");
        }
        catch (IOException)
        {
            return true; // It has ended.
        }

        var isUser = user is null;
        foreach (var line in lines)
        {
            var words = line.Split('\t', StringSplitOptions.RemoveEmptyEntries);
            if (line.StartsWith("Uid:", StringComparison.Ordinal) || line.StartsWith("Gid:", StringComparison.Ordinal))
            {
                if (user is { } number && !words[1..].All(word => word == number.ToString(CultureInfo.InvariantCulture)))
                    return false;
                isUser = true;
            }
            else if (line.StartsWith("Cap", StringComparison.Ordinal) && words[1].Trim('0').Length > 0)
            {
                return false;
            }
        }

        return isUser;
    }
}
