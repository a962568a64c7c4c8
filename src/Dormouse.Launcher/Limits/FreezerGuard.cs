using Dormouse.Launcher.Kernel;
using Dormouse.Launcher.Workers;

namespace Dormouse.Launcher.Limits;

/// <summary>
/// A shell that waits for the launcher's end and then thaws every place: where the launcher is killed together with the server, frozen workers could not end by themselves, since they
/// neither see that their control socket closed nor, with cgroup v1, die of the signal that comes with it. It runs from the first freeze on.
/// </summary>
internal sealed class FreezerGuard(Spawner spawner)
{
    private const string Watch =
        """
        read -r _ <&3
        for place in "$1"/*/; do echo "$3" > "$place$2"; done
        """;

    /// <summary>Its end of the pipe closes with the launcher. Never closed before.</summary>
    private int _pipe = -1;

    public void Begin(Freezer freezer)
    {
        if (_pipe >= 0)
            return;
        var nothing = Libc.Open("/dev/null", Libc.OpenReadWrite | Libc.OpenCloseOnExec, 0);
        // Theirs blocks: a shell takes "nothing yet" for the end.
        var (write, read) = Descriptors.PacketPair();
        var start = new WorkerStart
        {
            Command = ["/bin/sh", "-c", Watch, "dormouse-thaw", freezer.Folder, freezer.File, freezer.Thawed],
            Control = read,
            Output = nothing,
            OutlivesLauncher = true,
        };
        var error = spawner.Start(start, [], out _);
        Descriptors.Close(read);
        Descriptors.Close(nothing);
        if (error == 0)
            _pipe = write;
        else
            Descriptors.Close(write); // The next freeze tries again; a later launcher sweeps.
    }
}
