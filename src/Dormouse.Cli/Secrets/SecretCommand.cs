using System.CommandLine;
using System.Text;
using Dormouse.Cli.Commands;
using Dormouse.Cli.Endpoints;
using Dormouse.Cli.LocalFiles;
using Dormouse.Cli.Terminal;
using Dormouse.Core.Secrets;
using Dormouse.Protocol.Control;

namespace Dormouse.Cli.Secrets;

/// <summary><c>dormouse secret set | list | delete</c>.</summary>
internal static class SecretCommand
{
    private const string StandardInput = "-";

    public static Command Create(GlobalOptions globals) =>
        new CliCommand("secret", "Set, list and delete secrets that functions get.", "dormouse secret set API_TOKEN -", "dormouse secret list") { CreateSet(globals), CreateList(globals), CreateDelete(globals) };

    private static CliCommand CreateSet(GlobalOptions globals)
    {
        var name = Name();
        var value = new Argument<string?>("value") { HelpName = "value", Arity = ArgumentArity.ZeroOrOne, Description = "The value, which others on this machine may see while the command runs; - reads it from standard input, without a line feed at its end." };
        var file = new Option<string?>("--from-file") { HelpName = "file", Description = "Read the value from a file, byte by byte." };
        return new CliCommand(
            "set", "Set a secret. Instances that start from then on get the value; it is never shown again.",
            "dormouse secret set API_TOKEN - < token.txt", "dormouse secret set service-account --from-file account.json", "dormouse deploy app.py --secret API_TOKEN --secret-file account.json=service-account") { name, value, file }.Runs(
            globals, async (session, parsed, cancellationToken) =>
            {
                var bytes = await ValueAsync(parsed.GetValue(value), parsed.GetValue(file), cancellationToken);
                if (bytes.Length is 0 or > SecretRules.ValueBytesMax)
                {
                    throw CommandException.Usage($"The value has {bytes.Length} bytes; allowed are 1 to {SecretRules.ValueBytesMax}.");
                }

                var info = await session.Client.Secrets.SetAsync(parsed.GetRequiredValue(name), bytes, cancellationToken);
                if (session.Screen.IsJson)
                {
                    session.Screen.Json(info, ControlJson.Default.SecretInfo);
                    return;
                }

                session.Screen.Line($"{info.Name} is set.");
                foreach (var use in info.UsedBy.Where(u => u.OlderInstances > 0))
                {
                    session.Screen.Note($"{use.OlderInstances} running {(use.OlderInstances == 1 ? "instance" : "instances")} of {use.Endpoint} ({use.Revision}) {(use.OlderInstances == 1 ? "has" : "have")} the value before until {(use.OlderInstances == 1 ? "it ends" : "they end")}; 'dormouse stop {use.Endpoint}' replaces them.");
                }
            });
    }

    private static CliCommand CreateList(GlobalOptions globals) =>
        new CliCommand("list", "List secrets: when they were set, and which endpoints use them. Values are never shown.", "dormouse secret list").Runs(globals, async (session, _, cancellationToken) =>
        {
            var list = await session.Client.Secrets.ListAsync(cancellationToken);
            if (session.Screen.IsJson)
            {
                session.Screen.Json(list, ControlJson.Default.SecretList);
                return;
            }

            session.Screen.Table(
                ["NAME", "SET", "USED BY"],
                list.Secrets.Select(s => new[] { s.Name, Units.Time(s.SetAt, session.Surroundings.Time), string.Join(", ", s.UsedBy.Select(u => $"{u.Endpoint} {u.Revision}{(u.OlderInstances > 0 ? $" ({u.OlderInstances} with the value before)" : "")}")) }));
            foreach (var fault in list.Secrets.Where(s => s.Fault is not null))
            {
                session.Screen.Note(Shown.Line(fault.Fault!)); // The filter says that it is there.
            }
        });

    private static CliCommand CreateDelete(GlobalOptions globals)
    {
        var name = Name();
        var force = new Option<bool>("--force") { Description = "Delete it though revisions with traffic name it: their instances cannot start any more." };
        return new CliCommand("delete", "Delete a secret that no revision with traffic names.", "dormouse secret delete API_TOKEN") { name, force }.Runs(globals, async (session, parsed, cancellationToken) =>
        {
            await session.Client.Secrets.DeleteAsync(parsed.GetRequiredValue(name), parsed.GetValue(force), cancellationToken);
            StopCommand.Report(session, parsed.GetRequiredValue(name), "deleted", $"{parsed.GetRequiredValue(name)} is deleted.");
        });
    }

    private static Argument<string> Name()
    {
        var name = new Argument<string>("name") { HelpName = "name", Description = "Name of the secret." };
        Arguments.RefuseOptions(name);
        Arguments.RefuseDots(name);
        return name;
    }

    private static async Task<byte[]> ValueAsync(string? value, string? file, CancellationToken cancellationToken)
    {
        switch (value, file)
        {
            case (null, { } path):
                return await ReadAsync(path, cancellationToken);

            case (StandardInput, null):
                await using (var input = Console.OpenStandardInput())
                {
                    var read = await AllAsync(input, cancellationToken);
                    return read is [.. var line, (byte)'\n'] ? line is [.. var text, (byte)'\r'] ? text : line : read;
                }

            case ({ } text, null):
                return Encoding.UTF8.GetBytes(text);

            default:
                throw CommandException.Usage("One of a value, - (standard input) and --from-file is needed.");
        }
    }

    private static async Task<byte[]> ReadAsync(string path, CancellationToken cancellationToken)
    {
        LocalFile.ThrowUnlessReadable(path, "file");
        await using var file = File.OpenRead(path);
        return await AllAsync(file, cancellationToken);
    }

    /// <summary>No more than tells that it is too long.</summary>
    private static async Task<byte[]> AllAsync(Stream stream, CancellationToken cancellationToken)
    {
        var buffer = new byte[SecretRules.ValueBytesMax + 3];
        return buffer[..await stream.ReadAtLeastAsync(buffer, buffer.Length, throwOnEndOfStream: false, cancellationToken)];
    }
}
