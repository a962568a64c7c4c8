using System.Text;
using Dormouse.Launcher.Kernel;
using Dormouse.Launcher.Workers;
using Dormouse.Protocol.Launching;

namespace Dormouse.Launcher.Limits;

/// <summary>Finds out by a real run whether workers can be frozen on this machine: a shell in a place of its own is frozen, and answers only once it is thawed.</summary>
internal sealed unsafe class FreezerProbe(WorkerLimiter limiter, Spawner spawner)
{
    private const int AnswerMilliseconds = 2_000;
    private const string Question = "echo; read -r _ <&3; echo";

    /// <summary>Sets the limiter's freezer when it works.</summary>
    public FreezerReport Choose()
    {
        var (freezer, reason) = limiter.FindFreezer();
        if (freezer is not null && Ask(freezer) is { } failed)
            (freezer, reason) = (null, failed);
        limiter.Freezer = freezer;
        return new(freezer is not null, freezer is null ? reason : null, Swap.IsThere());
    }

    private string? Ask(Freezer freezer)
    {
        var place = $"{Environment.ProcessId}-freezer-probe";
        var process = 0;
        var (control, theirControl) = Descriptors.PacketPair();
        var (output, theirOutput) = Descriptors.Pipe();
        try
        {
            var error = spawner.Start(
                new WorkerStart { Places = limiter.Create(place), Command = ["/bin/sh", "-c", Question], Control = theirControl, Output = theirOutput }, [], out process);
            Descriptors.Close(theirOutput);
            theirOutput = -1;
            if (error != 0)
                return $"a program could not be started in a cgroup ({Descriptors.Words(error)})";
            if (!Answers(output, AnswerMilliseconds))
                return "a program in a cgroup did not answer";
            if (freezer.Freeze(place) is { } problem)
                return problem;
            for (var waited = 0; !freezer.IsStandingStill(place); waited++)
            {
                if (waited == AnswerMilliseconds)
                    return "a frozen program did not come to a stand";
                _ = Libc.Poll(null, 0, 1);
            }

            _ = Descriptors.Send(control, "\n"u8);
            if (Answers(output, 0))
                return "a frozen program went on";
            return freezer.Thaw(place) ?? (Answers(output, AnswerMilliseconds) ? null : "a thawed program did not go on");
        }
        catch (IOException exception)
        {
            return exception.Message;
        }
        finally
        {
            _ = freezer.Thaw(place);
            Spawner.End(process);
            Descriptors.Close(control);
            Descriptors.Close(theirControl);
            Descriptors.Close(output);
            Descriptors.Close(theirOutput);
            limiter.TryClear(place, 0, System.Collections.Immutable.ImmutableHashSet<int>.Empty);
        }
    }

    private static bool Answers(int output, int milliseconds)
    {
        var entry = new Libc.PollEntry { Descriptor = output, Wanted = Libc.PollIn };
        Span<byte> line = stackalloc byte[16];
        return Libc.Poll(&entry, 1, milliseconds) > 0 && Descriptors.Receive(output, line) > 0 && Encoding.ASCII.GetString(line[..1]) == "\n";
    }
}
