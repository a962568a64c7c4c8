using Dormouse.Cli.Terminal;
using Dormouse.Client;

namespace Dormouse.Cli.Connection;

/// <summary>One run of one command: where it prints and, when it needs one, the server it talks to.</summary>
internal sealed class Session : IDisposable
{
    private readonly string? _server;
    private readonly string? _key;
    private ServerLocation? _location;
    private DormouseClient? _client;

    public Session(Surroundings surroundings, OutputFormat format, string? server, string? key)
    {
        Surroundings = surroundings;
        Screen = new Screen(surroundings, format);
        Activity = new Activity(surroundings, format == OutputFormat.Json);
        _server = server;
        _key = key;
    }

    public Surroundings Surroundings { get; }

    public Screen Screen { get; }

    public Activity Activity { get; }

    public ServerLocation Location => _location ??= ServerLocation.Find(Surroundings, _server, _key);

    public DormouseClient Client => _client ??= new DormouseClient(Surroundings.Network(), Location.Address, Location.Key, Surroundings.Time);

    /// <summary>The command talks to this server from now on (quickstart starts its own).</summary>
    public void Use(ServerLocation location)
    {
        _client?.Dispose();
        _client = null;
        _location = location;
    }

    public void Dispose() => _client?.Dispose();
}
