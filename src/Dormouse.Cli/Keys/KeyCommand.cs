using System.CommandLine;
using Dormouse.Cli.Commands;
using Dormouse.Cli.Endpoints;
using Dormouse.Cli.Terminal;
using Dormouse.Protocol.Control;

namespace Dormouse.Cli.Keys;

/// <summary><c>dormouse key create | list | revoke</c>.</summary>
internal static class KeyCommand
{
    public static Command Create(GlobalOptions globals) =>
        new CliCommand("key", "Make, list and revoke keys.", "dormouse key create laptop --scope invoke", "dormouse key list") { CreateCreate(globals), CreateList(globals), CreateRevoke(globals) };

    private static CliCommand CreateCreate(GlobalOptions globals)
    {
        var name = new Argument<string>("name") { HelpName = "name", Description = "What the key is for." };
        Arguments.RefuseOptions(name);
        var scope = new Option<string[]>("--scope") { Description = "What the key may do; may be repeated.", DefaultValueFactory = _ => ["invoke"] };
        scope.AcceptOnlyFromAmong("invoke", "admin");
        var command = new CliCommand("create", "Make a key. It is shown this once and not kept.", "dormouse key create laptop --scope invoke", "dormouse key create ci --scope admin") { name, scope };
        return command.Runs(globals, async (session, parsed, cancellationToken) =>
        {
            var key = await session.Client.Keys.CreateAsync(parsed.GetRequiredValue(name), [.. parsed.GetValue(scope) ?? []], cancellationToken);
            if (session.Screen.IsJson)
            {
                session.Screen.Json(key, ControlJson.Default.KeyInfo);
                return;
            }

            session.Screen.Line(key.Key ?? key.Id);
            session.Screen.Note($"This key ({string.Join(", ", key.Scopes)}) is shown this once. Use it with DORMOUSE_API_KEY or --key; 'dormouse key revoke {key.Id}' ends it.");
        });
    }

    private static CliCommand CreateList(GlobalOptions globals) =>
        new CliCommand("list", "List the keys.", "dormouse key list").Runs(globals, async (session, _, cancellationToken) =>
        {
            var list = await session.Client.Keys.ListAsync(cancellationToken);
            if (session.Screen.IsJson)
            {
                session.Screen.Json(list, ControlJson.Default.KeyList);
                return;
            }

            session.Screen.Table(["ID", "NAME", "SCOPES", "MADE"], list.Keys.Select(k => new[] { k.Id, k.Name, string.Join(", ", k.Scopes), Units.Time(k.CreatedAt, session.Surroundings.Time) }));
        });

    private static CliCommand CreateRevoke(GlobalOptions globals)
    {
        var id = new Argument<string>("id") { HelpName = "id", Description = "Id of the key, as 'key list' shows it." };
        Arguments.RefuseOptions(id);
        Arguments.RefuseDots(id);
        return new CliCommand("revoke", "End a key at once.", "dormouse key revoke k3v9x2m4p7qa") { id }.Runs(globals, async (session, parsed, cancellationToken) =>
        {
            var key = parsed.GetRequiredValue(id);
            await session.Client.Keys.RevokeAsync(key, cancellationToken);
            StopCommand.Report(session, key, "revoked", $"{key} is revoked");
        });
    }
}
