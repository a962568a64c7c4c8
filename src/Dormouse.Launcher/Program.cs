using System.Collections.Immutable;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Dormouse.Launcher;
using Dormouse.Launcher.Containers;
using Dormouse.Launcher.Kernel;
using Dormouse.Launcher.Limits;
using Dormouse.Launcher.Networking;
using Dormouse.Launcher.Sandboxing;
using Dormouse.Launcher.Workers;
using Dormouse.Protocol.Launching;

// dormouse-launcher: starts the server's worker processes, bounds them, passes them open files, and clears away what they leave.
// It serves one connection and ends, with all its workers, when that connection ends, when its standard input ends, or on SIGTERM.
if (args is not ["--socket", var socketPath, "--cgroup-name", var cgroupName] || cgroupName.Contains('/', StringComparison.Ordinal))
{
    Console.Error.WriteLine("usage: dormouse-launcher --socket PATH --cgroup-name NAME");
    return 2;
}

Descriptors.Secure();
ProcessSetup.Apply();
var time = TimeProvider.System;
var stop = ProcessSetup.StopDescriptor();
using var terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, context => ProcessSetup.Stop(context, stop));
// A terminal sends these to the whole group: the server decides when to end, and closes the connection.
using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, context => context.Cancel = true);
using var hangup = PosixSignalRegistration.Create(PosixSignal.SIGHUP, context => context.Cancel = true);

var spawner = new Spawner();
OwnNamespaces.Enter(args, spawner);
var limiter = new LimiterProbe(CgroupFolders.OfThisProcess(), cgroupName, spawner).Choose();
var runFolder = Path.GetDirectoryName(Path.GetFullPath(socketPath)) ?? "/";
int listener;
try
{
    ProcessSetup.Sweep(limiter, runFolder, time);
    listener = Descriptors.ListenOn(socketPath);
}
catch (Exception exception) when (exception is ArgumentException or System.ComponentModel.Win32Exception or IOException or UnauthorizedAccessException)
{
    Console.Error.WriteLine($"The launcher's socket could not be made: {exception.Message}");
    return 1;
}

ProcessSetup.SayListening();
var accepted = EventLoop.TryAccept(listener, stop, out var connection);
Descriptors.Close(listener);
_ = Libc.Unlink(socketPath);
if (accepted)
{
    var server = new ServerLink(connection);
    ImmutableArray<string> notes = spawner.DiesWithLauncher
        ? limiter.Notes
        : [.. limiter.Notes, "A worker that hangs may outlive a killed launcher: install setpriv (package util-linux, 2.33 or later)."];
    var sandbox = new SandboxProbe(limiter, spawner, cgroupName).Choose(out var report);
    var freezer = new FreezerProbe(limiter, spawner).Choose();
    var uplinks = UplinkPrograms.Find(out var noNetwork);
    ContainerHouse? containers = null;
    if (ContainerRuntime.Find(limiter, out var noContainer) is { } runtime)
    {
        ContainerHouse.Sweep(spawner, runtime, runFolder);
        containers = new(spawner, runtime, runFolder, cgroupName);
    }

    report = report with { NoNetwork = noNetwork, NoContainer = noContainer };
    server.Send(new LauncherHello(Environment.ProcessId, limiter.Word, notes) { Build = RuntimeFeature.IsDynamicCodeSupported ? "jit" : "aot", Sandbox = report, Freezer = freezer });
    var workers = new WorkerTable(limiter, spawner, sandbox, containers, uplinks, time, server.Send, () => server.IsCongested);
    new EventLoop(server, workers, stop, time).Run();
    containers?.Close();
}

(limiter as CgroupLimiter)?.RemoveBases();
return 0;
