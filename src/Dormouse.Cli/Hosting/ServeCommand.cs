using System.CommandLine;
using System.Runtime.CompilerServices;
using Dormouse.Cli.Commands;
using Dormouse.Cli.Connection;
using Dormouse.Cli.Terminal;
using Dormouse.Protocol.Control;
using Dormouse.Server.Hosting;

namespace Dormouse.Cli.Hosting;

/// <summary><c>dormouse serve</c>.</summary>
internal sealed class ServeCommand
{
    private readonly Option<string?> _data = new("--data") { HelpName = "folder", Description = "Where everything is kept. Default: DORMOUSE_DATA, else ~/.local/share/dormouse." };
    private readonly Option<string?> _storage = new("--storage") { HelpName = "url", Description = "Database: sqlite (in the data folder), or postgres://user:password@host/database. Default: DORMOUSE_STORAGE, else sqlite." };
    private readonly Option<string?> _listen = new("--listen") { HelpName = "url", Description = "Address for HTTP; port 0 = a free one; https://… with --tls-certificate. Default: http://127.0.0.1:8080." };
    private readonly Option<string?> _grpcListen = new("--grpc-listen") { HelpName = "url", Description = "Address for gRPC. Default: the next port, with https the same one." };
    private readonly Option<string?> _certificate = new("--tls-certificate") { HelpName = "file", Description = "PEM file with the certificate for https, and those that lead to its root. It is read again when it changes." };
    private readonly Option<string?> _privateKey = new("--tls-key") { HelpName = "file", Description = "PEM file with the certificate's private key. Default: the certificate's file." };
    private readonly Option<string?> _config = new("--config") { HelpName = "file", Description = "Settings file. Default: server.yaml in the data folder, when there is one." };

    public static Command Create(GlobalOptions globals)
    {
        var serve = new ServeCommand();
        var command = new CliCommand(
            "serve",
            "Run the server until Ctrl-C. On first start it makes the administrator's key, which commands on this machine use by themselves.",
            "dormouse serve",
            "dormouse serve --data /srv/dormouse --listen http://127.0.0.1:9000",
            "dormouse serve --listen https://*:8443 --tls-certificate /etc/tls/fullchain.pem --tls-key /etc/tls/privkey.pem",
            "dormouse serve --storage postgres://dormouse@db.example/dormouse") { serve._data, serve._storage, serve._listen, serve._grpcListen, serve._certificate, serve._privateKey, serve._config };
        command.HandlesSignals = true;
        return command.Runs(globals, serve.RunAsync);
    }

    private async Task RunAsync(Session session, ParseResult parsed, CancellationToken cancellationToken)
    {
        var folder = parsed.GetValue(_data) is { } data ? Path.GetFullPath(data) : null;
        await ServeAsync(
            session,
            new ServerOptions
            {
                DataFolder = folder,
                Storage = parsed.GetValue(_storage),
                Listen = parsed.GetValue(_listen),
                GrpcListen = parsed.GetValue(_grpcListen),
                TlsCertificate = parsed.GetValue(_certificate),
                TlsKey = parsed.GetValue(_privateKey),
                ConfigFile = parsed.GetValue(_config),
            },
            cancellationToken);
    }

    /// <summary>Apart and not inlined, so that no other command loads the server.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static async Task ServeAsync(Session session, ServerOptions options, CancellationToken cancellationToken)
    {
        try
        {
            await DormouseServer.RunAsync(options, addresses => Report(session, addresses), cancellationToken);
        }
        catch (ServerStartException e)
        {
            throw Explained(e);
        }
    }

    public static CommandException Explained(ServerStartException e) => e.Failure == ServerStartFailure.Settings
        ? new CommandException(ExitCodes.Refused, "settings_invalid", e.Message)
        : CommandException.Failed("server_not_started", e.Message);

    private static void Report(Session session, ServerAddresses addresses)
    {
        if (session.Screen.IsJson)
        {
            session.Screen.Json(addresses, ControlJson.Default.ServerAddresses);
        }
        else
        {
            session.Screen.Line($"dormouse {addresses.Version} serves {addresses.Http} (gRPC {addresses.Grpc}). Ctrl-C ends it.");
        }

        session.Surroundings.Out.Flush();
    }
}
