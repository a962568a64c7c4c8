using System.Collections;
using Dormouse.Cli.Connection;
using Dormouse.Cli.Terminal;
using Dormouse.Client;
using Dormouse.Server.Hosting;

namespace Dormouse.Cli.Hosting;

/// <summary>The server that quickstart talks to: the one that runs on the data folder already, else one in this process.</summary>
internal sealed class QuickstartServer : IAsyncDisposable
{
    private readonly DormouseServer? _own;

    private QuickstartServer(DormouseServer? own, ServerLocation location, string keyText)
    {
        _own = own;
        Location = location;
        KeyText = keyText;
    }

    public ServerLocation Location { get; }

    /// <summary>How a shell gets the key, for the line to try.</summary>
    public string KeyText { get; }

    /// <summary>It ends with this process.</summary>
    public bool IsOwn => _own is not null;

    public static async Task<QuickstartServer> OpenAsync(Session session, CancellationToken cancellationToken)
    {
        var folder = DataFolder.Default(session.Surroundings);
        if (ServerLocation.ReadAddresses(folder) is { } running)
        {
            var location = Locate(session.Surroundings, folder, running.Http, out var runningKey);
            if (await AnswersAsync(session.Surroundings, location, cancellationToken))
            {
                session.Screen.Note($"Using the server that runs at {running.Http}.");
                return new QuickstartServer(null, location, runningKey);
            }
        }

        var server = await StartAsync(session, folder, cancellationToken);
        return new QuickstartServer(server, Locate(session.Surroundings, folder, server.Addresses.Http, out var key), key);
    }

    public async ValueTask DisposeAsync()
    {
        if (_own is not null)
        {
            await _own.DisposeAsync();
        }
    }

    /// <summary>On the default ports; on free ones when those are taken.</summary>
    private static async Task<DormouseServer> StartAsync(Session session, string folder, CancellationToken cancellationToken)
    {
        var options = new ServerOptions { DataFolder = folder, Environment = QuietEnvironment() };
        try
        {
            return await DormouseServer.StartAsync(options, cancellationToken);
        }
        catch (ServerStartException e) when (e.Failure == ServerStartFailure.Address)
        {
            session.Screen.Note($"{e.Message} Quickstart takes free ports instead.");
            return await DormouseServer.StartAsync(options with { Listen = "http://127.0.0.1:0", GrpcListen = "http://127.0.0.1:0" }, cancellationToken);
        }
    }

    /// <summary>The process's own, but that the log shows warnings only: here the table is the story.</summary>
    private static Dictionary<string, string> QuietEnvironment()
    {
        var environment = Environment.GetEnvironmentVariables().Cast<DictionaryEntry>().ToDictionary(e => (string)e.Key, e => (string?)e.Value ?? "", StringComparer.Ordinal);
        environment.TryAdd("DORMOUSE_LOGGING__LEVEL", "warning");
        return environment;
    }

    private static ServerLocation Locate(Surroundings surroundings, string folder, string address, out string keyText)
    {
        var file = DataFolder.KeyFile(folder);
        var (key, from) = surroundings.Setting("DORMOUSE_ADMIN_KEY") is { } admin ? (admin, "DORMOUSE_ADMIN_KEY")
            : ServerLocation.ReadKey(folder) is { } local ? (local, file)
            : (surroundings.Setting("DORMOUSE_API_KEY"), "DORMOUSE_API_KEY");
        keyText = from == file ? $"$(cat '{file}')" : "$" + from;
        return new ServerLocation(new Uri(address), DataFolder.AddressesFile(folder), key, from);
    }

    /// <summary>False when the address file is left over from a server that was killed.</summary>
    private static async Task<bool> AnswersAsync(Surroundings surroundings, ServerLocation location, CancellationToken cancellationToken)
    {
        using var client = new DormouseClient(surroundings.Network(), location.Address, location.Key, surroundings.Time);
        try
        {
            await client.VersionAsync(cancellationToken);
            return true;
        }
        catch (ServerUnreachableException)
        {
            return false;
        }
    }
}
