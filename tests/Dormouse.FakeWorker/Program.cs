using Dormouse.FakeWorker;

// Speaks the worker's control protocol without an engine, and misbehaves when told to: by the environment variable FAKE_START before its
// assignment, by the user's environment entry FAKE after it. With "host" it is the other side: a small server process that owns a driver.
return args switch
{
    ["--socket", var socketPath] => Worker.Run(Worker.ListenOn(socketPath)),
    ["--socket", _, "--listener", var descriptor] => Worker.Run(Worker.ListenerOf(descriptor)),
    ["host", .. var rest] => await DriverHost.RunAsync(rest),
    _ => 2,
};
