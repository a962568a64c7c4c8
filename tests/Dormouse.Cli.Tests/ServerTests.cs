namespace Dormouse.Cli.Tests;

/// <summary>Tests of commands that talk to a server: each has one of its own, and a shell that knows it.</summary>
public abstract class ServerTests : IAsyncLifetime
{
    private protected FakeServer Server { get; private set; } = null!;

    private protected Shell Shell { get; private set; } = null!;

    public virtual async ValueTask InitializeAsync()
    {
        Server = await FakeServer.StartAsync();
        Shell = new Shell(Server);
    }

    public async ValueTask DisposeAsync()
    {
        Shell.Dispose();
        await Server.DisposeAsync();
        GC.SuppressFinalize(this);
    }
}
