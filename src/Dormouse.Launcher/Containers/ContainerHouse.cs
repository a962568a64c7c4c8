using System.Collections.Immutable;
using System.ComponentModel;
using System.Globalization;
using System.Runtime.InteropServices;
using Dormouse.Launcher.Kernel;
using Dormouse.Launcher.Networking;
using Dormouse.Launcher.Sandboxing;
using Dormouse.Launcher.Workers;
using Dormouse.Protocol.Launching;

namespace Dormouse.Launcher.Containers;

/// <summary>Starts workers in containers: each has a bundle in the run folder, whose root is an empty one into which the system is shown. Makes nothing before the first is wanted.</summary>
/// <param name="runFolder">Folder in which the bundles get one.</param>
/// <param name="server">Name of the server's cgroups.</param>
internal sealed class ContainerHouse(Spawner spawner, ContainerRuntime runtime, string runFolder, string server) : IEnclosure
{
    private const int WaitingConnections = 512, InheritedCount = 2;
    private const uint Everybody = 0x1B6; // rw-rw-rw-; the folder of the sockets lets nobody in.
    private const uint Open = 0x3FF, Readable = 0x1ED, OwnerOnly = 0x1C0, ReadableFile = 0x1A4; // 1777, 755, 700, 644
    private const string Prefix = "containers-", StateName = "state";
    private const string SetLimit = "/usr/bin/prlimit";

    /// <summary>The runtime sees one version of cgroups only, in mounts of its own.</summary>
    private const string Hide = "[ -z \"$1\" ] || umount \"$1\" || exit 126; shift; exec \"$@\"";

    private readonly string? _secondCgroups = runtime.MakesCgroups ? null : ContainerRuntime.SecondCgroups(File.ReadAllText("/proc/self/mountinfo"));
    private readonly int _nothing = Libc.Open("/dev/null", Libc.OpenReadWrite | Libc.OpenCloseOnExec, 0);
    private SandboxDoor? _door;
    private bool _isMade;
    private readonly string _folder = Path.Combine(runFolder, $"{Prefix}{Environment.ProcessId}");

    public SandboxDoor Door => _door ??= SandboxDoor.TryMake() ?? throw new IOException("the kernel does not let the launcher enter a container");

    public bool KeepsForksApart => SandboxDoor.CanListen;

    private string Root => Path.Combine(_folder, "root");

    private string State => Path.Combine(_folder, StateName);

    public SandboxUser UserOf(long worker) => SandboxUser.For(server, worker);

    public int Start(WorkerStart start, SandboxRequest request, ImmutableArray<(string Here, string Inside)> views, int processesMax, out int process)
    {
        Make();
        Span<int> inherited = stackalloc int[1];
        inherited.Fill(-1);
        try
        {
            // Entered later; where that does not work nothing is started.
            _ = Door;
            if (start.SocketPath is { } path)
            {
                inherited[0] = Descriptors.MoveHigh(Descriptors.ListenOn(path, WaitingConnections));
                if (Libc.ChangeMode(path, Everybody) != 0)
                    throw new IOException($"its socket could not be opened to it ({Descriptors.Words(Marshal.GetLastPInvokeError())})");
            }

            var bundle = WriteBundle(start, request, views, processesMax);
            // The runtime's own output, when it fails, is the worker's.
            ImmutableArray<string> command =
            [
                ContainerRuntime.Program("unshare")!, "--mount", "--", "/bin/sh", "-c", Hide, "dormouse-container", _secondCgroups ?? "", runtime.Path, "--root", State, .. runtime.MakesCgroups ? Array.Empty<string>() : ["--cgroup-manager=disabled"],
                "run", "--bundle", bundle, "--preserve-fds", InheritedCount.ToString(CultureInfo.InvariantCulture), start.Name,
            ];
            var environment = ImmutableSortedDictionary<string, string>.Empty.Add("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
            return spawner.Start(start with { Command = command, Environment = environment }, inherited, out process);
        }
        catch (Exception exception) when (exception is Win32Exception or ArgumentException or UnauthorizedAccessException)
        {
            throw new IOException(exception.Message, exception);
        }
        finally
        {
            Descriptors.Close(inherited[0]);
        }
    }

    /// <summary>Its processes are taken back from the groups that the runtime has made for it: memory that is over its limit is looked for in the worker's own.</summary>
    public void Found(WorkerProcess worker)
    {
        if (!runtime.MakesCgroups)
            return;
        foreach (var process in (int[])[Sandbox.ChildOf(worker.ProcessId), worker.InsideId])
        {
            foreach (var place in worker.Places)
                _ = Descriptors.WriteText(place, process.ToString(CultureInfo.InvariantCulture));
        }
    }

    public void Clear(string name)
    {
        // A runtime that was killed has not cleared up behind itself. Nobody waits for the one that does it now: the launcher reaps it as it reaps orphans.
        if (Directory.Exists(Path.Combine(State, name)))
        {
            if (runtime.MakesCgroups)
                _ = spawner.Start(new WorkerStart { Command = Delete(runtime, State, name), Output = _nothing }, [], out _);
            else
                Remove(Path.Combine(State, name));
        }

        Remove(Path.Combine(_folder, name));
    }

    /// <summary>Removes what earlier launchers left.</summary>
    public static void Sweep(Spawner spawner, ContainerRuntime runtime, string runFolder)
    {
        foreach (var folder in Directory.EnumerateDirectories(runFolder, Prefix + "*"))
            ClearAll(spawner, runtime, folder);
    }

    /// <summary>Nothing runs any more: removes what is left.</summary>
    public void Close() => ClearAll(spawner, runtime, _folder);

    private static void ClearAll(Spawner spawner, ContainerRuntime runtime, string folder)
    {
        var state = Path.Combine(folder, StateName);
        if (runtime.MakesCgroups && Directory.Exists(state))
        {
            foreach (var left in Directory.EnumerateDirectories(state))
                _ = spawner.Run([], Delete(runtime, state, Path.GetFileName(left)));
        }

        Remove(folder);
    }

    private static ImmutableArray<string> Delete(ContainerRuntime runtime, string state, string name) => [runtime.Path, "--root", state, "delete", "--force", name];

    private void Make()
    {
        if (_isMade)
            return;
        FolderAt(_folder, OwnerOnly);
        FolderAt(State, OwnerOnly);
        FolderAt(Root, Readable);
        foreach (var (path, target) in SystemFolders.Links())
        {
            if (!Path.Exists(Root + path))
                File.CreateSymbolicLink(Root + path, target);
        }

        // What is made by the runtime where something is missing is not for everybody.
        foreach (var path in (string[])["/proc", "/dev", "/dev/pts", "/run", "/etc", "/sys", "/var", SandboxRequest.PackagePath])
            Folder(path, Readable);
        foreach (var (path, _) in ScratchFolders.Sizes(0))
            Folder(path, Open);
        if (!Path.Exists(Root + "/var/tmp"))
            File.CreateSymbolicLink(Root + "/var/tmp", "../tmp");
        _isMade = true;
    }

    /// <summary>Makes a folder of the root, with those above it.</summary>
    private void Folder(string path, uint mode)
    {
        for (var end = path.IndexOf('/', 1); end > 0; end = path.IndexOf('/', end + 1))
            FolderAt(Root + path[..end], Readable);
        FolderAt(Root + path, mode);
    }

    /// <summary>With this mode, whatever the launcher's mask is.</summary>
    private static void FolderAt(string place, uint mode)
    {
        if (!Directory.Exists(place) && (Libc.MakeFolder(place, OwnerOnly) != 0 || Libc.ChangeMode(place, mode) != 0))
            throw new IOException($"a folder of containers could not be made ({Descriptors.Words(Marshal.GetLastPInvokeError())})");
    }

    private string WriteBundle(WorkerStart start, SandboxRequest request, ImmutableArray<(string Here, string Inside)> views, int processesMax)
    {
        var bundle = Path.Combine(_folder, start.Name);
        Directory.CreateDirectory(bundle);
        // Not null: only root makes containers.
        var user = UserOf(start.Number).Number!.Value;
        List<(string Here, string Inside)> shown = [.. SystemFolders.Shown()];
        foreach (var (name, text) in SystemFolders.MadeUp(user, request.Network is null ? null : OutboundRules.Resolver))
        {
            var path = Path.Combine(bundle, Path.GetFileName(name));
            File.WriteAllText(path, text);
            _ = Libc.ChangeMode(path, ReadableFile);
            shown.Add((path, name));
        }

        shown.AddRange(views);
        shown.AddRange(request.ReadOnlyFolders.Where(path => !SystemFolders.Show(path)).Select(path => (path, path)));
        if (start.SocketPath is { } socket)
            shown.Add((socket, SandboxRequest.SocketPath));
        foreach (var (here, inside) in shown)
        {
            var above = Path.GetDirectoryName(inside)!; // Not null: nothing is shown as the root.
            if (above != "/")
                Folder(above, Readable);
            if (Directory.Exists(here))
                Folder(inside, Readable);
            else if (!Path.Exists(Root + inside))
                File.WriteAllText(Root + inside, "");
        }

        ImmutableArray<string> limit = processesMax > 0 && File.Exists(SetLimit) ? [SetLimit, $"--nproc={processesMax}:{processesMax}", "--"] : [];
        var variables = start.Environment.SetItem("HOME", "/tmp").SetItem("TMPDIR", "/tmp").SetItem("USER", "dormouse").SetItem("LOGNAME", "dormouse").Select(entry => $"{entry.Key}={entry.Value}");
        using var file = File.Create(Path.Combine(bundle, "config.json"));
        ContainerConfig.Write(file, Root, user, [.. limit, .. start.Command], variables, shown, request, request.Forks && KeepsForksApart);
        return bundle;
    }

    private static void Remove(string path)
    {
        try
        {
            Directory.Delete(path, recursive: true);
        }
        catch (DirectoryNotFoundException)
        {
            // There was none.
        }
        catch (IOException)
        {
            // The next launcher tries again.
        }
    }
}
